"""Filters and resampling whose result no batch size or thread count changes.

Sums are written as products and additions of their own: fused multiply-adds (`alpha=`,
convolutions) round differently at the end of a vector than in its middle.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad


def gaussian_weights(sigma: float, truncate: float = 4.0) -> list[float]:
    """Normalised weights at −r … r with r = ⌊truncate · sigma + ½⌋, as SciPy cuts them."""
    radius = int(truncate * sigma + 0.5)
    raw = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(-radius, radius + 1)]
    return [weight / sum(raw) for weight in raw]


def gaussian_filter(images: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian filter with repeated borders; (N, C, H, W) to the same."""
    weights = gaussian_weights(sigma)
    for dim in (2, 3):
        images = _filter_along(images, weights, dim)
    return images


def _filter_along(images: Tensor, weights: list[float], dim: int) -> Tensor:
    radius, length = len(weights) // 2, images.shape[dim]
    border = (0, 0, radius, radius) if dim == 2 else (radius, radius, 0, 0)
    padded = pad(images, border, mode="replicate")
    total = padded.narrow(dim, 0, length) * weights[0]
    for step, weight in enumerate(weights[1:], start=1):
        total += padded.narrow(dim, step, length) * weight
    return total


def filter2d(images: Tensor, kernel: np.ndarray) -> Tensor:
    """Correlation with a small odd square kernel, borders mirrored without the edge pixel."""
    radius, (height, width) = len(kernel) // 2, images.shape[2:]
    padded = pad(images, (radius,) * 4, mode="reflect")
    total = torch.zeros_like(images)
    for row, column in np.argwhere(kernel):
        window = padded[:, :, row : row + height, column : column + width]
        total += window * float(kernel[row, column])
    return total


def resampled(images: Tensor, matrix: Tensor) -> Tensor:
    """Rows and columns mapped by the same (H', H) matrix."""
    return settled(matrix @ levels(images) @ matrix.T)


def levels(images: Tensor) -> Tensor:
    """8-bit levels of images, whole numbers where they have them, in float64 for long sums."""
    return (images * 255).double()


def settled(sums: Tensor) -> Tensor:
    """Images of levels that were summed in any order.

    The sum of whole levels often ends halfway between two; its last bits, which depend on the
    order, must not choose between them.
    """
    return ((sums * 2**20).round() / (2**20 * 255)).float()


@cache
def bilinear_zoom(size: int, zoom: float) -> Tensor:
    """(size, size) matrix of a centred zoom: SciPy's linear `zoom` of the middle, then trimmed."""
    crop = math.ceil(size / zoom)
    top = (size - crop) // 2
    enlarged = round(crop * zoom)
    trim = (enlarged - size) // 2
    matrix = torch.zeros(size, size, dtype=torch.float64)
    for row in range(size):
        place = (row + trim) * (crop - 1) / max(enlarged - 1, 1)
        below = min(int(place), crop - 2)
        matrix[row, top + below] = 1 - (place - below)
        matrix[row, top + below + 1] = place - below
    return matrix


@cache
def box_resize(size: int, target: int) -> Tensor:
    """(target, size) matrix of a box filter that grows with the scale when shrinking (Pillow)."""
    matrix = torch.zeros(target, size, dtype=torch.float64)
    scale = size / target
    support = 0.5 * max(scale, 1.0)
    for row in range(target):
        centre = (row + 0.5) * scale
        first, last = int(centre - support + 0.5), int(centre + support + 0.5)
        matrix[row, max(first, 0) : min(last, size)] = 1
    return matrix / matrix.sum(1, keepdim=True)


def mirrored(index: Tensor, size: int, *, edge: bool) -> Tensor:
    """Indices outside [0, size) reflected back; `edge` repeats the edge pixel (d c b a | a b).

    Args:
        index: Whole numbers of any type, below a million.
        size: Of the image.
        edge: Whether the edge pixel is repeated.

    Returns:
        Int64, same shape.
    """
    period = 2 * size if edge else 2 * size - 2
    index = index.float()
    index = index - (index / period).floor_().mul_(period)
    return torch.minimum(index, period - (1 if edge else 0) - index).long()


def bilinear(images: Tensor, rows: Tensor, columns: Tensor, *, edge: bool) -> Tensor:
    """Images read at real coordinates, each image at its own.

    Args:
        images: (N, C, H, W) float32.
        rows: (N, H, W) float64, in pixels.
        columns: Likewise.
        edge: How coordinates outside are reflected, see `mirrored`.

    Returns:
        (N, C, H, W) float32.
    """
    count, channels, height, width = images.shape
    flat = images.flatten(2)
    top, left = rows.floor(), columns.floor()
    down, right = (rows - top).float(), (columns - left).float()
    top, left = top.float(), left.float()
    row = [mirrored(top + lower, height, edge=edge).mul_(width) for lower in (0, 1)]
    column = [mirrored(left + across, width, edge=edge) for across in (0, 1)]
    weights = (1 - down, down), (1 - right, right)
    total = torch.zeros_like(flat)
    for lower, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = weights[0][lower] * weights[1][across]
        index = (row[lower] + column[across]).view(count, 1, -1).expand(-1, channels, -1)
        total += flat.gather(2, index).mul_(weight.view(count, 1, -1))
    return total.view_as(images)


def motion_blur(images: Tensor, radius: int, sigma: float, degrees: Tensor) -> Tensor:
    """A one-sided Gaussian smear in a direction of its own for every image.

    Weights fall like a Gaussian from the pixel itself over 2·radius further ones; each tap is
    read at the nearest whole pixel, borders repeated, as ImageMagick does.

    Args:
        images: (N, C, H, W) float32.
        radius: Of the kernel in pixels.
        sigma: Of the Gaussian in pixels.
        degrees: (N,) float64, direction.
    """
    count, channels, height, width = images.shape
    steps = 2 * radius + 1
    raw = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(steps)]
    weights = [weight / sum(raw) for weight in raw if weight / sum(raw) >= 1e-6]
    angle, taps = torch.deg2rad(degrees), torch.arange(len(weights))[:, None]
    down = torch.ceil(taps * torch.sin(angle) - 0.5).long()[..., None]
    right = torch.ceil(taps * torch.cos(angle) - 0.5).long()[..., None]
    rows = (torch.arange(height) + down).clamp_(0, height - 1).mul_(width)
    columns = (torch.arange(width) + right).clamp_(0, width - 1)
    flat, total = images.flatten(2), torch.zeros_like(images.flatten(2))
    for row, column, weight in zip(rows, columns, weights, strict=True):
        index = (row[:, :, None] + column[:, None, :]).view(count, 1, -1)
        total += flat.gather(2, index.expand(-1, channels, -1)).mul_(weight)
    return total.view_as(images)
