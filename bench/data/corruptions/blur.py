"""Blur: lens, ground glass, motion, zoom, Gaussian. Lengths are pixels, whatever the image size."""

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
    motion_blur,
)


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


def glass_blur(images: Tensor, glass: tuple[float, int, int], counter: Counter) -> Tensor:
    """Gaussian filter, pixels swapped with neighbours, Gaussian filter.

    From the lower right to the upper left every pixel is swapped with one at most `reach` to its
    left and above, several times over. The swaps of all images are done side by side.
    """
    sigma, reach, rounds = glass
    blurred = (gaussian_filter(images, sigma) * 255).round()
    count, channels, height, width = images.shape
    pixels = torch.arange(height * width).repeat(count, 1).T.contiguous()
    span = torch.arange(count)
    draws = counter.integers(-reach, reach, rounds, height, width, 2).permute(1, 2, 3, 4, 0)
    for turn in range(rounds):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = draws[turn, row, column]
                here, there = row * width + column, (row + down) * width + column + right
                moved = pixels[here].clone()
                pixels[here] = pixels[there, span]
                pixels[there, span] = moved
    swapped = blurred.flatten(2).gather(2, pixels.T[:, None].expand(-1, channels, -1))
    return gaussian_filter((swapped / 255).view_as(images), sigma)


def motion_smear(images: Tensor, smear: tuple[int, float], counter: Counter) -> Tensor:
    """Motion of a direction within ±45° of the horizontal; (radius, σ) in pixels."""
    degrees = counter.uniform(1)[:, 0].double() * 90 - 45
    return motion_blur(images, *smear, degrees)


def zoom_blur(images: Tensor, furthest: float, _: Counter) -> Tensor:
    """Mean of the image and its zooms from 1 to the furthest in steps of 0.01."""
    operator = zoom_operator(images.shape[-1], furthest)
    return (images.flatten(2).double() @ operator.T).float().view_as(images)


@cache
def zoom_operator(size: int, furthest: float) -> Tensor:
    """(size², size²) float64: all zooms and their mean as one linear map of a square image."""
    zooms = np.arange(1, furthest, 0.01).tolist()  # as published: 1.06 and 1.11 are reached
    operator = torch.eye(size * size, dtype=torch.float64)
    for zoom in zooms:
        matrix = bilinear_zoom(size, zoom)
        operator += torch.kron(matrix, matrix)
    return operator / (len(zooms) + 1)
