"""Projected gradient descent on the margin, which no positive factor of the logits masks."""

import torch
from torch import Tensor, nn

from bench.attacks.fgsm import linf_step, margins
from bench.streams import stream


def pgd(model: nn.Module, images: Tensor, labels: Tensor, epsilon: float, steps: int) -> Tensor:
    """Steps of epsilon/4 against the sign of the margin's gradient, from a random point.

    An image that is misclassified stays as it is from then on.

    Args:
        model: In evaluation mode; answers with logits.
        images: (N, C, H, W) float32 in [0, 1].
        labels: (N,) int64, the true classes (untargeted).
        epsilon: Radius of the L∞ ball in image units, in (0, 1].
        steps: Steps an image, at most.

    Returns:
        Attacked images in [0, 1], at most epsilon away in every value.

    Raises:
        BenchError: E-BAD-VALUE if epsilon is out of range.

    References:
        Madry et al., Towards deep learning models resistant to adversarial attacks, 2018, with
        the loss f₆ of Carlini and Wagner, Towards evaluating the robustness of neural networks,
        2017.
    """
    low, high = (images - epsilon).clamp_min(0), (images + epsilon).clamp_max(1)
    start = torch.rand(images.shape, generator=stream("pgd-linf")).to(images.device)
    found = low + start * (high - low)
    left = torch.arange(len(images), device=images.device)
    for _ in range(steps):
        distance, slopes = _margins_and_slopes(model, found[left], labels[left])
        right = distance >= 0
        left, slopes = left[right], slopes[right]
        if len(left) == 0:
            break
        moved = linf_step(found[left], -slopes, epsilon / 4)
        found[left] = moved.clamp(low[left], high[left])
    return found


def _margins_and_slopes(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    images.requires_grad_()
    with torch.enable_grad():
        found = margins(model(images), labels)
        (slopes,) = torch.autograd.grad(found.sum(), images)
    return found.detach(), slopes
