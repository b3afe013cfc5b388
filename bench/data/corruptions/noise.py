"""Noise: every value of an image changes by itself."""

import torch
from torch import Tensor

from bench.data.corruptions.counters import Counter

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
    return poisson(images * photons, counter.uniform(*images.shape[1:])) / photons


def poisson(mean: Tensor, uniform: Tensor) -> Tensor:
    """Quantiles of the Poisson distribution.

    Small means are summed term by term; above `FEW` the Cornish-Fisher expansion of third order
    is rounded, whose error in probability is at most 1.1·10⁻³ there and falls like 1 / mean.

    Args:
        mean: Float32, at least 0.
        uniform: Float32 in (0, 1), same shape.

    Returns:
        Float32 whole numbers.
    """
    few = mean.clamp(max=FEW)
    term = torch.exp(-few)
    below, count = term.clone(), (uniform > term).float()
    for number in range(1, TERMS):
        term.mul_(few).div_(number)
        below.add_(term)
        count.add_(uniform > below)
    z, root = torch.special.ndtri(uniform), mean.clamp(min=FEW).sqrt()
    many = mean + root * z + (z * z - 1) / 6 + (z - z**3) / (72 * root)
    return torch.where(mean <= FEW, count, many.round().clamp(min=0))
