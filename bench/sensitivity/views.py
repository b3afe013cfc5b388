"""Eleven views of an image, from which a batch of one or two images becomes a larger one."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from bench.errors import BenchError
from bench.streams import stream

VIEWS = 11
AFFINE = 5  # of them
MADE_AT_ONCE = 32  # batches; the maps of one image take as long as those of many
LEARNED = (0.0102, 0.0088, 0.0011, 0.0012, 0.0011, 0.0011)  # the authors': next to the identity
WIDER = (0.2, 0.2, math.pi / 6, 0.1, 0.1, 0.1)

GENERATORS = torch.zeros(6, 3, 3)
GENERATORS[0, 0, 2] = 0.1  # along x; half the image is 1
GENERATORS[1, 1, 2] = 0.1  # along y
GENERATORS[2, 0, 1], GENERATORS[2, 1, 0] = -1, 1  # rotation
GENERATORS[3, 0, 0], GENERATORS[3, 1, 1] = 1, 1  # scale
GENERATORS[4, 0, 0], GENERATORS[4, 1, 1] = 1, -1  # stretch
GENERATORS[5, 0, 1], GENERATORS[5, 1, 0] = 1, 1  # shear


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """How views are made.

    Args:
        mean: Of the network's input normalisation, one number a channel: what lies outside of a
            moved image; empty for black.
        widths: Of the intervals around 0 from which the six coefficients are drawn: along x,
            along y, rotation, scale, stretch, shear.
        seed: Of the draws.
    """

    mean: tuple[float, ...] = ()
    widths: tuple[float, ...] = LEARNED
    seed: int = 0


def eleven_views(images: Tensor, views: Views, first: int = 0) -> Tensor:
    """The image, five random affine maps, two flips and three quarter turns of every image.

    The authors move the normalised image and fill with zeros there. Bilinear sampling is linear,
    so the standard deviation cancels: here images − mean are moved and come back as images of the
    network's range. Flips and turns are the pixels themselves.

    Args:
        images: (N, C, S, S) float32.
        views: How. The draws depend on its seed and the number of the image only.
        first: Number of the first image.

    Returns:
        (11 N, C, S, S): the image, the affine maps, mirrored left to right, upside down, turned
        by 90°, 180° and 270° counterclockwise; then the next image.

    Raises:
        BenchError: E-BAD-VALUE if the images are not square.

    References:
        Ayle et al., 2022, appendix A; Benton et al., Learning invariances in neural networks
        (Augerino), 2020, `UniformAug`.
    """
    if images.shape[2] != images.shape[3]:
        raise BenchError(
            "E-BAD-VALUE",
            f"images: got {images.shape[2]}×{images.shape[3]}, expected square ones, whose "
            "quarter turns are of the same shape",
        )
    numbers = range(first, first + len(images))
    draws = torch.stack([_draws(views.seed, number) for number in numbers])
    moved = [images, *_moved(images, draws.to(images), views).unbind(1)]
    turned = [images.rot90(turns, (2, 3)) for turns in (1, 2, 3)]
    return torch.stack([*moved, images.flip(3), images.flip(2), *turned], 1).flatten(0, 1)


def with_views(batches: Iterable[Tensor], views: Views) -> Iterator[Tensor]:
    """Every batch of N images as one of their 11 N views; images are numbered as they come."""
    first, coming = 0, iter(batches)
    while block := list(islice(coming, MADE_AT_ONCE)):
        images = torch.cat(block)
        seen = eleven_views(images, views, first)
        yield from seen.split([VIEWS * len(batch) for batch in block])
        first += len(images)


def _moved(images: Tensor, draws: Tensor, views: Views) -> Tensor:
    """(N, 5, C, S, S): the affine maps of (N, 5, 6) draws in [0, 1)."""
    widths = torch.tensor(views.widths).to(images)
    coefficients = ((draws - 0.5) * widths).flatten(0, 1)
    maps = torch.linalg.matrix_exp((coefficients @ GENERATORS.to(images).flatten(1)).view(-1, 3, 3))
    mean = torch.tensor(views.mean or (0.0,)).to(images).view(-1, 1, 1)
    sources = (images - mean).repeat_interleave(AFFINE, 0)
    grid = affine_grid(maps[:, :2], list(sources.shape), align_corners=True)
    samples = grid_sample(sources, grid, "bilinear", "zeros", align_corners=True)
    return (samples + mean).unflatten(0, (-1, AFFINE))


def _draws(seed: int, number: int) -> Tensor:
    return torch.rand(AFFINE, 6, generator=stream(f"{seed} {number}"))
