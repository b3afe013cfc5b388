"""Random signs: an attack that knows nothing. A gradient that does worse is masked."""

import torch
from torch import Tensor

from bench.attacks.fgsm import linf_step
from bench.streams import stream


def sign_noise(images: Tensor, epsilon: float) -> Tensor:
    """Moves every value by epsilon up or down, each by a fair coin, back into [0, 1].

    Args:
        images: (N, C, H, W) float32 in [0, 1].
        epsilon: Radius of the L∞ ball in image units, in (0, 1].

    Returns:
        Moved images in [0, 1], at most epsilon away in every value; the same for the same shape.

    Raises:
        BenchError: E-BAD-VALUE if epsilon is out of range.
    """
    coins = torch.randn(images.shape, generator=stream("noise-linf"))
    return linf_step(images, coins.to(images.device), epsilon)
