"""Histograms out of stored quantiles: bars of equal areas."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from bench.metric_meanings import QUANTILES
from bench.records import Score

THIN = 1e-3  # of the range: the narrowest bar, where many images are alike
BEYOND = 0.3  # of the middle of all sets, that is drawn on each side of it


class Bar(NamedTuple):
    """A bar of a histogram: from, to, and share of the images a nat."""

    low: float
    high: float
    height: float


def quantiles_of(scores: Iterable[Score]) -> dict[str, list[float]]:
    """Set -> the quantiles of its log-densities in nats, ascending; the test set first."""
    found: dict[str, list[float]] = {}
    for score in scores:
        if score.metric in QUANTILES and score.value is not None:
            found.setdefault(score.set, []).append(score.value)
    return found


def bars(ends: Sequence[float]) -> Iterator[Bar]:
    """A bar between each two quantiles, all of the same area.

    Args:
        ends: Quantiles at equal distances, ascending; at least two.
    """
    least = THIN * (ends[-1] - ends[0]) + 1e-9
    for low, high in pairwise(ends):
        yield Bar(low, high, 1 / (len(ends) - 1) / max(high - low, least))


def window(sets: Iterable[Sequence[float]]) -> tuple[float, float]:
    """From where to where several histograms are drawn: their tails may go on for long."""
    middle = [end for ends in sets for end in ends[1:-1]]
    low, high = min(middle), max(middle)
    return low - BEYOND * (high - low), high + BEYOND * (high - low)
