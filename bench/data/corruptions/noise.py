"""Noise: every value of an image changes by itself."""

import torch
from torch import Tensor

from bench.data.corruptions.counters import Counter, midpoints, normal_quantiles

FEW = 10.0  # expected photons up to which the Poisson distribution is summed term by term
TERMS = 34


def gaussian_noise(images: Tensor, sigma: float, counter: Counter) -> Tensor:
    """The image plus n ~ N(0, σ²)."""
    return images + counter.normal(*images.shape[1:]) * sigma


def speckle_noise(images: Tensor, sigma: float, counter: Counter) -> Tensor:
    """The image times 1 + n with n ~ N(0, σ²)."""
    return images + images * counter.normal(*images.shape[1:]) * sigma


def impulse_noise(images: Tensor, amount: float, counter: Counter) -> Tensor:
    """A share of all values becomes 0 or 1 with equal chance."""
    draw = counter.uniform(*images.shape[1:])
    return images.masked_fill(draw < amount, 1.0).masked_fill(draw < amount / 2, 0.0)


def shot_noise(images: Tensor, photons: float, counter: Counter) -> Tensor:
    """Poisson(λx)/λ: λ is the number of photons of a white value."""
    cells = counter.cells(*images.shape[1:])
    return poisson(images * photons, midpoints(cells), normal_quantiles(cells)) / photons


def poisson(mean: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Quantiles of the Poisson distribution.

    Small means are summed term by term; above `FEW` the Cornish-Fisher expansion of third order
    is rounded, whose error in probability is at most 1.1·10⁻³ there and falls like 1 / mean.

    Args:
        mean: Float32, at least 0.
        uniform: Float32 in (0, 1), same shape.
        normal: The standard normal quantiles of `uniform`.

    Returns:
        Float32 whole numbers.
    """
    z, root = normal, mean.clamp(min=FEW).double().sqrt().float()
    many = (root * z).add_(mean).add_((z * z).sub_(1).div_(6))
    many.add_((z - z**3).div_(root.mul_(72)))
    many = many.round_().clamp_(min=0).flatten()
    few = (mean <= FEW).flatten().nonzero()[:, 0]
    none = torch.exp(-mean.clamp(max=FEW).double()).float()
    many[few] = _summed(*(values.flatten()[few] for values in (mean, uniform, none)))
    return many.view_as(mean)


def _summed(mean: Tensor, uniform: Tensor, term: Tensor) -> Tensor:
    """Quantiles of means up to `FEW` whose probability of no photon is `term`."""
    below, count = term.clone(), (uniform > term).float()
    for number in range(1, TERMS):
        term.mul_(mean).div_(number)
        below.add_(term)
        above = uniform > below
        if number % 4 == 0 and not above.any():
            break
        count.add_(above)
    return count
