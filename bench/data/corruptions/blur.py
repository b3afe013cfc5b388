"""Blur: lens, ground glass, motion, zoom, Gaussian. Lengths are pixels, whatever the image size."""

import itertools
import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from bench.data.corruptions.counters import Counter
from bench.data.corruptions.sampling import (
    bilinear_zoom,
    filter2d,
    gaussian_filter,
    levels,
    motion_blur,
    settled,
)

TILE = 8  # side of the pieces in which zooms are added up


def gaussian_blur(images: Tensor, sigma: float, _: Counter) -> Tensor:
    """Gaussian filter of σ pixels."""
    return gaussian_filter(images, sigma)


def defocus_blur(images: Tensor, lens: tuple[float, float], _: Counter) -> Tensor:
    """A disk of a radius, its edge softened by a 3×3 Gaussian of a σ."""
    return filter2d(images, disk(*lens))


def disk(radius: float, soft: float) -> np.ndarray:
    """(5, 5) float64 kernel of sum 1: the aliased disk of at most 1 pixel, softened."""
    steps = np.arange(-2, 3)
    sharp = (steps[:, None] ** 2 + steps**2 <= radius**2).astype(float)
    raw = [math.exp(-0.5 * (step / soft) ** 2) for step in (-1, 0, 1)]
    kernel = np.zeros((5, 5))
    for row, column in np.argwhere(sharp):
        for down, right in np.ndindex(3, 3):
            weight = raw[down] * raw[right] / sum(raw) ** 2
            kernel[row + down - 1, column + right - 1] += weight / sharp.sum()
    return kernel


def glass_blur(images: Tensor, glass: tuple[float, int], counter: Counter) -> Tensor:
    """Gaussian filter of σ pixels, pixels replaced by neighbours, Gaussian filter.

    In every round a pixel takes the colour of itself or of its left, upper or upper left
    neighbour; the first two rows and columns stay. The original means to swap the two, but
    NumPy's views make it a copy: the published images look like this.
    """
    sigma, rounds = glass
    blurred = (gaussian_filter(images, sigma) * 255).round()
    count, channels, height, width = images.shape
    up, left = counter.integers(0, 2, 2, rounds, height, width).unbind(1)
    up[:, :, :2], up[..., :2], left[:, :, :2], left[..., :2] = 0, 0, 0, 0
    reads = torch.arange(height * width).view(height, width) - up * width - left
    for turn in range(rounds):
        source = reads[:, turn].reshape(count, 1, -1).expand(-1, channels, -1)
        blurred = blurred.flatten(2).gather(2, source).view_as(images)
    return gaussian_filter(blurred / 255, sigma)


def motion_smear(images: Tensor, smear: tuple[int, float], counter: Counter) -> Tensor:
    """Motion of a direction within ±45° of the horizontal; (radius, σ) in pixels."""
    degrees = counter.uniform(1)[:, 0].double() * 90 - 45
    return motion_blur(images, *smear, degrees)


def zoom_blur(images: Tensor, furthest: float, _: Counter) -> Tensor:
    """Mean of the image and its zooms from 1 to the furthest in steps of 0.01."""
    size = images.shape[-1]
    clean, total = levels(images), torch.empty(images.shape, dtype=torch.float64)
    for rows, columns, *reads, operator in zoom_tiles(size, furthest):
        tile = clean[:, :, reads[0], reads[1]].flatten(2) @ operator
        total[:, :, rows, columns] = tile.unflatten(2, (-1, columns.stop - columns.start))
    return settled(total)


@cache
def zoom_tiles(size: int, furthest: float) -> list[tuple[slice, slice, slice, slice, Tensor]]:
    """The zoom by tiles of the result, which read few pixels each.

    Returns:
        Rows and columns of a tile, rows and columns it reads, (read pixels, pixels of the tile).
    """
    whole = zoom_operator(size, furthest).view(size, size, size, size)
    tiles = []
    for top, left in itertools.product(range(0, size, TILE), repeat=2):
        rows, columns = (slice(at, min(at + TILE, size)) for at in (top, left))
        part = whole[rows, columns]
        down, right = (
            slice(int(found.min()), int(found.max()) + 1)
            for found in part.flatten(0, 1).sum(0).nonzero().unbind(1)
        )
        operator = part[:, :, down, right].flatten(0, 1).flatten(1).T.contiguous()
        tiles.append((rows, columns, down, right, operator))
    return tiles


@cache
def zoom_operator(size: int, furthest: float) -> Tensor:
    """(size², size²) float64: all zooms and their mean as one linear map of a square image."""
    zooms = np.arange(1, furthest, 0.01).tolist()  # as published: 1.06 and 1.11 are reached
    operator = torch.eye(size * size, dtype=torch.float64)
    for zoom in zooms:
        matrix = bilinear_zoom(size, zoom)
        operator += torch.kron(matrix, matrix)
    return operator / (len(zooms) + 1)
