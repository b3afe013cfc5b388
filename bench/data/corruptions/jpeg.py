"""JPEG: colour transform, 4:2:0, block DCT, quantisation, and back; no entropy coding is needed.

References:
    ITU-T T.81, 1992, annexes A and K; ITU-T T.871 (JFIF), 2011.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from bench.data.corruptions.counters import Counter

LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)


def jpeg_compression(images: Tensor, quality: int, _: Counter) -> Tensor:
    """What a baseline decoder shows of an image saved at a quality with 4:2:0 subsampling.

    Arithmetic is exact where libjpeg's is in scaled integers: single levels may differ from it.

    Args:
        images: (N, 3, H, W) float32 in [0, 1], on 8-bit levels; H and W even.
        quality: 1 to 100.
    """
    width = images.shape[3]
    red, green, blue = images.double().mul_(255).round_().unbind(1)
    luma = (0.299 * red + 0.587 * green + 0.114 * blue).round()
    chroma = [
        (-0.168735892 * red - 0.331264108 * green + 0.5 * blue + 128).round(),
        (0.5 * red - 0.418687589 * green - 0.081312411 * blue + 128).round(),
    ]
    luma = _coded(luma, _table(LUMINANCE, quality))
    coded = (_coded(_halved(c), _table(CHROMINANCE, quality)) for c in chroma)
    cb, cr = (_upsampled(c[:, :, : width // 2]) - 128 for c in coded)
    pixels = torch.stack(
        [luma + 1.402 * cr, luma - 0.344136286 * cb - 0.714136286 * cr, luma + 1.772 * cb], 1
    )
    return pixels.round_().clamp_(0, 255).float().div_(255)


def _table(base: tuple[tuple[int, ...], ...], quality: int) -> Tensor:
    """(8, 8) float64 divisors at a quality, as the Independent JPEG Group scales them."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return torch.tensor([[min(max((q * scale + 50) // 100, 1), 255) for q in row] for row in base])


@cache
def _cosines() -> Tensor:
    """(8, 8) float64 orthonormal DCT-II."""
    step = torch.arange(8, dtype=torch.float64)
    matrix = torch.cos((2 * step + 1) * step[:, None] * torch.pi / 16) / 2
    matrix[0] /= 2**0.5
    return matrix


def _coded(plane: Tensor, divisors: Tensor) -> Tensor:
    """(N, H, W) levels after DCT, quantisation and back; edges repeated to whole 8×8 blocks."""
    count, height, width = plane.shape
    padded = pad(plane, (0, -width % 8, 0, -height % 8), mode="replicate")
    rows, columns = padded.shape[1] // 8, padded.shape[2] // 8
    blocks = padded.view(count, rows, 8, columns, 8).transpose(2, 3) - 128
    # libjpeg's coefficients are whole eighths.
    eighths = (_cosines() @ blocks @ _cosines().T).mul_(8).add_(1e-9).round_()
    ratio = eighths.div_(8 * divisors)
    # Halves away from zero.
    kept = torch.sign(ratio).mul_(ratio.abs_().add_(0.5).floor_()).mul_(divisors)
    back = (_cosines().T @ kept @ _cosines()).add_(128).add_(1e-9).round_().clamp_(0, 255)
    return back.transpose(2, 3).reshape(count, rows * 8, columns * 8)[:, :height, :width]


def _halved(plane: Tensor) -> Tensor:
    """Means of 2×2 pixels; halves round down and up in turns along a row.

    Rows are filled up to whole blocks before they are halved, columns (`_coded`) after.
    """
    plane = pad(plane, (0, -plane.shape[2] % 16, 0, 0), mode="replicate")
    total = plane[:, ::2, ::2] + plane[:, 1::2, ::2] + plane[:, ::2, 1::2] + plane[:, 1::2, 1::2]
    bias = torch.arange(total.shape[2], dtype=torch.float64) % 2 + 1
    return torch.floor((total + bias) / 4)


def _upsampled(plane: Tensor) -> Tensor:
    """Twice the size by the triangle filter: ¾ of the nearer and ¼ of the further neighbour."""
    above, below = _neighbours(plane, 1)
    rows = torch.stack([3 * plane + above, 3 * plane + below], 2).flatten(1, 2)
    left, right = _neighbours(rows, 2)
    left, right = torch.floor((3 * rows + left + 8) / 16), torch.floor((3 * rows + right + 7) / 16)
    return torch.stack([left, right], 3).flatten(2, 3)


def _neighbours(plane: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The pixel before and the pixel after, the edge repeated."""
    size = plane.shape[dim]
    first, last = plane.narrow(dim, 0, 1), plane.narrow(dim, size - 1, 1)
    before = torch.cat([first, plane.narrow(dim, 0, size - 1)], dim)
    return before, torch.cat([plane.narrow(dim, 1, size - 1), last], dim)
