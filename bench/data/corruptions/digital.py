"""Digital: contrast, saturation, elastic deformation, pixelation."""

import torch
from torch import Tensor

from bench.data.corruptions.counters import Counter
from bench.data.corruptions.sampling import (
    bilinear,
    box_resize,
    gaussian_weights,
    mirrored,
    resampled,
)


def contrast(images: Tensor, factor: float, _: Counter) -> Tensor:
    """Distances from each channel's mean shrunk by a factor."""
    mean = images.double().mean((2, 3), keepdim=True).float()
    return (images - mean) * factor + mean


def saturate(images: Tensor, change: tuple[float, float], _: Counter) -> Tensor:
    """The saturation of HSV times a factor plus an amount; hue and value stay.

    A grey pixel has hue 0: where an amount is added it turns red, as in the original.
    """
    factor, amount = change
    value = images.amax(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    saturation = chroma / value.clamp(min=1e-6)
    wanted = (saturation * factor + amount).clamp(0, 1)
    red = torch.tensor([0.0, 1.0, 1.0]).view(1, 3, 1, 1)
    hue = torch.where(chroma > 0, (value - images) / chroma.clamp(min=1e-6), red)
    return value - value * wanted * hue


def pixelate(images: Tensor, scale: float, _: Counter) -> Tensor:
    """Resized to a share of its side and back, both with a box filter."""
    size = images.shape[-1]
    small = int(size * scale)
    return resampled(images, box_resize(small, size) @ box_resize(size, small))


def elastic_transform(
    images: Tensor, stretch: tuple[float, float, float], counter: Counter
) -> Tensor:
    """A random affine map, then a smooth random displacement.

    Args:
        images: (N, 3, H, W) float32, square.
        stretch: Strength and σ of the displacement and largest shift of the affine map's three
            corners, all in units of 32 pixels.
        counter: Shifts and displacements.
    """
    strength, sigma, corner = (32 * length for length in stretch)
    size = images.shape[-1]
    rows, columns = _affine(counter, size, corner)
    moved = bilinear(images, rows, columns, edge=False)
    if not strength:
        return moved
    draw = counter.stream(1).uniform(2, size, size).double() * 2 - 1
    smooth = _smoothing(size, sigma)
    shift = smooth @ draw @ smooth.T * strength
    grid = torch.arange(size, dtype=torch.float64)
    return bilinear(moved, grid[:, None] + shift[:, 1], grid + shift[:, 0], edge=True)


def _affine(counter: Counter, size: int, corner: float) -> tuple[Tensor, Tensor]:
    """Rows and columns (N, size, size) at which an affinely moved image reads its source.

    Three corners of the central square move by up to `corner` pixels a coordinate; the map from
    their new places to the old ones is solved by Cramer's rule.
    """
    middle, third = size // 2, size // 3
    # (column, row) of lower right, upper right and upper left
    old = torch.tensor(
        [
            [middle + third, middle + third],
            [middle + third, middle - third],
            [middle - third, middle - third],
        ],
        dtype=torch.float64,
    )
    new = old + (counter.uniform(3, 2).double() * 2 - 1) * corner
    grid = torch.arange(size, dtype=torch.float64)
    origin = new[:, 2, :, None, None]
    right, down = grid - origin[:, 0], grid[:, None] - origin[:, 1]
    one, two = (new[:, 0] - new[:, 2])[..., None, None], (new[:, 1] - new[:, 2])[..., None, None]
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    along = (right * two[:, 1] - down * two[:, 0]).div_(area)
    across = (one[:, 0] * down - one[:, 1] * right).div_(area)
    long, short = old[0] - old[2], old[1] - old[2]
    columns = (along * long[0]).add_(old[2, 0]).add_(across * short[0])
    rows = (along * long[1]).add_(old[2, 1]).add_(across * short[1])
    return rows, columns


def _smoothing(size: int, sigma: float) -> Tensor:
    """(size, size) float64 Gaussian filter cut at 3σ, borders reflected with the edge."""
    weights = gaussian_weights(sigma, truncate=3.0)
    radius = len(weights) // 2
    matrix = torch.zeros(size, size, dtype=torch.float64)
    for step, weight in enumerate(weights):
        reads = mirrored(torch.arange(size) + step - radius, size, edge=True)
        matrix[torch.arange(size), reads] += weight
    return matrix
