"""Common corruptions: 19 kinds at 5 severities with the constants of CIFAR-10-C.

The result for an image depends on its pixels, its number, the corruption, the severity and the
seed alone: any batch size, thread count, order and processor gives the same bytes. Lengths are
pixels, also on images that are not 32×32. Generated sets are not the official ones: `…-c*`.

References:
    Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions and
    perturbations, 2019.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.data.corruptions.blur import (
    defocus_blur,
    gaussian_blur,
    glass_blur,
    motion_smear,
    zoom_blur,
)
from bench.data.corruptions.counters import Counter
from bench.data.corruptions.digital import contrast, elastic_transform, pixelate, saturate
from bench.data.corruptions.jpeg import jpeg_compression
from bench.data.corruptions.noise import gaussian_noise, impulse_noise, shot_noise, speckle_noise
from bench.data.corruptions.weather import brightness, fog, frost, snow, spatter
from bench.errors import BenchError

CHUNK = 100  # images at a time: what fits a processor's cache
SIDES = range(4, 33, 2)  # the fog is a fractal of 32 pixels


@dataclass(frozen=True, slots=True)
class Corruption:
    """One row of the table.

    Args:
        function: (images (N, 3, H, W) float32 in [0, 1], constant, counter) -> the same, of any
            range.
        severities: The constant of each of the five.
        needs_colour: Does nothing to grey images.
    """

    function: Callable[[Tensor, Any, Counter], Tensor]
    severities: tuple[object, ...]
    needs_colour: bool = False


CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian_noise": Corruption(gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": Corruption(shot_noise, (500.0, 250.0, 100.0, 75.0, 50.0)),
    "impulse_noise": Corruption(impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus_blur": Corruption(
        defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))
    ),
    "glass_blur": Corruption(glass_blur, ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))),
    "motion_blur": Corruption(motion_smear, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": Corruption(zoom_blur, (1.06, 1.11, 1.16, 1.21, 1.26)),
    "snow": Corruption(
        snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": Corruption(frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    "fog": Corruption(fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": Corruption(brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": Corruption(contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    "elastic_transform": Corruption(
        elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": Corruption(pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg_compression": Corruption(jpeg_compression, (80, 65, 58, 50, 40)),
    "speckle_noise": Corruption(speckle_noise, (0.06, 0.10, 0.12, 0.16, 0.20)),
    "gaussian_blur": Corruption(gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1.0)),
    "spatter": Corruption(
        spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, False),
            (0.65, 0.1, 0.8, 0.7, 0.5, False),
            (0.65, 0.3, 1, 0.69, 0.5, False),
            (0.65, 0.1, 0.7, 0.69, 0.6, True),
            (0.65, 0.1, 0.5, 0.68, 0.6, True),
        ),
    ),
    "saturate": Corruption(
        saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)), needs_colour=True
    ),
}


def applicable(corruption: str, channels: int) -> bool:
    """Whether a corruption does something to images of so many channels."""
    return channels == 3 or not CORRUPTIONS[corruption].needs_colour


@torch.inference_mode()
def corrupt(images: Tensor, corruption: str, severity: int, *, seed: int, first: int = 0) -> Tensor:
    """A corrupted copy of images.

    A grey image is repeated to three channels, corrupted, and averaged back.

    Args:
        images: (N, C, S, S) uint8 with N of at least 1, C of 1 or 3, S even and from 4 to 32.
        corruption: Key of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: Of the random corruptions.
        first: Number of the first image; image i of the batch has number first + i.

    Returns:
        (N, C, S, S) uint8, rounded to the nearest level.

    Raises:
        BenchError: E-BAD-VALUE for an unknown corruption or severity, or images of another kind.
    """
    _check(images, corruption, severity)
    row = CORRUPTIONS[corruption]
    label = f"{corruption} {severity}"
    done = []
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        counter = Counter.of(seed, label, first + start, len(part))
        colour = part.float().div_(255).expand(-1, 3, -1, -1)
        changed = row.function(colour, row.severities[severity - 1], counter).clamp_(0, 1)
        if images.shape[1] == 1:
            changed = (changed[:, :1] + changed[:, 1:2] + changed[:, 2:]) / 3
        done.append(changed.mul_(255).round_().to(torch.uint8))
    return torch.cat(done)


def _check(images: Tensor, corruption: str, severity: int) -> None:
    if corruption not in CORRUPTIONS:
        raise BenchError(
            "E-BAD-VALUE", f"corruption: got {corruption!r}, expected one of {list(CORRUPTIONS)}"
        )
    if severity not in (1, 2, 3, 4, 5):
        raise BenchError("E-BAD-VALUE", f"severity: got {severity!r}, expected 1 to 5")
    kind = (images.dtype, images.dim(), *images.shape[1:])
    if (
        kind[:2] != (torch.uint8, 4)
        or len(images) == 0
        or images.shape[1] not in (1, 3)
        or images.shape[2] != images.shape[3]
        or images.shape[2] not in SIDES
    ):
        raise BenchError(
            "E-BAD-VALUE",
            f"images: got {kind}, expected uint8 (N, 1 or 3, S, S) with an even S from 4 to 32",
        )
    if not applicable(corruption, images.shape[1]):
        raise BenchError("E-BAD-VALUE", f"{corruption}: got grey images, expected colour")
