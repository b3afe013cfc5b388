"""Random numbers that belong to an image: hashed from its number, never drawn in sequence.

A number depends on the seed, the corruption, the severity, the image's number and the element's
index alone, so that any batch, thread count and order gives the same bytes.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
MIX1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
MIX2 = -7723592293110705685  # 0x94D049BB133111EB
CELLS = 2**23  # of the interval (0, 1)


def mixed(values: Tensor) -> Tensor:
    """The finaliser of SplitMix64 on int64 tensors, in place; arithmetic wraps around.

    References:
        Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014.
    """
    values ^= (values >> 30).bitwise_and_(0x3FFFFFFFF)
    values *= MIX1
    values ^= (values >> 27).bitwise_and_(0x1FFFFFFFFF)
    values *= MIX2
    values ^= (values >> 31).bitwise_and_(0x1FFFFFFFF)
    return values


def midpoints(cells: Tensor) -> Tensor:
    """Float32 middles of cells of (0, 1)."""
    return cells.float().add_(0.5).mul_(1 / CELLS)


def normal_quantiles(cells: Tensor) -> Tensor:
    """Float32 quantiles of the standard normal distribution at the middles of cells."""
    return _all_quantiles().index_select(0, cells.flatten()).view_as(cells)


@cache
def _all_quantiles() -> Tensor:
    """(CELLS,) float32: reading them is three times as fast as their computation.

    Computed in float64: its last bits, which differ from processor to processor, are rounded off.
    """
    return torch.special.ndtri(midpoints(torch.arange(CELLS)).double()).float()


@dataclass(frozen=True, slots=True)
class Counter:
    """The random numbers of N images.

    Args:
        keys: (N,) int64, one key an image.
    """

    keys: Tensor

    @classmethod
    def of(cls, seed: int, label: str, first: int, count: int) -> "Counter":
        """Keys of the images `first` to `first + count − 1` for one use."""
        digest = hashlib.sha256(f"{seed} {label}".encode()).digest()
        start = int.from_bytes(digest[:8], "little", signed=True)
        numbers = torch.arange(first, first + count, dtype=torch.int64)
        return cls(mixed(mixed(numbers * GOLDEN) ^ start))

    def stream(self, number: int) -> "Counter":
        """Independent numbers of the same images for another use."""
        return Counter(mixed(self.keys + torch.tensor(number + 1) * GOLDEN))

    def bits(self, *shape: int) -> Tensor:
        """(N, *shape) int64, every bit random."""
        elements = torch.arange(1, math.prod(shape) + 1, dtype=torch.int64) * GOLDEN
        return mixed(self.keys[:, None] + elements).view(-1, *shape)

    def uniform(self, *shape: int) -> Tensor:
        """(N, *shape) float32, uniform on the 2²³ midpoints in (0, 1)."""
        return midpoints(self.cells(*shape))

    def normal(self, *shape: int) -> Tensor:
        """(N, *shape) float32, standard normal by the inverse of its distribution function."""
        return normal_quantiles(self.cells(*shape))

    def cells(self, *shape: int) -> Tensor:
        """(N, *shape) int64, uniform in [0, 2²³)."""
        return self.bits(*shape).bitwise_right_shift_(41).bitwise_and_(CELLS - 1)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """(N, *shape) int64, uniform in [low, high)."""
        number, span = (self.bits(*shape) >> 33) & 0x7FFFFFFF, high - low
        # the remainder; whole numbers are divided much slower than float64, which is exact here
        return number - (number.double() / span).long() * span + low
