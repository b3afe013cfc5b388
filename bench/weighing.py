"""Which run is best for whom: a weight for each axis, and who is first for how many weightings."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.pareto import Floats, dominators, oriented, unit

SAMPLE = 20_000  # weightings; the standard error of a share is at most 0.0036
SEED = 1
AT_ONCE = 2_000_000  # totals in memory


def scaled(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Each axis from 0 for the worst of the rows to 1 for the best, in proportion.

    Distances count, and a second copy of a run changes nothing, as it would if places were
    counted; but one outlier moves all others together. An axis on which all are equal is 0: it
    tells nothing.

    Args:
        table: Rows of one comparable group of `bench.ranking.summary` or `relative`.
        axes: Some of `bench.pareto.AXES`.

    Returns:
        The axes, in [0, 1], of the rows that have all of the numbers.

    Raises:
        BenchError: E-BAD-VALUE for another axis.
    """
    points = oriented(table, axes)
    whole = np.flatnonzero(~np.isnan(points).any(axis=1))
    return pd.DataFrame(unit(points[whole]), index=table.index[whole], columns=list(axes))


def weighed(table: pd.DataFrame, weights: Mapping[str, float]) -> pd.DataFrame:
    """The rows from best to worst by the weighted mean of their scaled numbers.

    Args:
        table: As for `scaled`.
        weights: Of each axis, not negative; axes of weight 0 are left out, and a row need not
            have their numbers.

    Returns:
        `rank` (1 for the best; equal totals share the better rank), `total` in [0, 1], and for
        each axis its part of the total; equal totals stand in the order of their labels.

    Raises:
        BenchError: E-BAD-VALUE for another axis, a weight that is negative or no number, or if
            none is above 0.
    """
    counted = {axis: weight for axis, weight in weights.items() if weight != 0}
    if not counted or not all(0 < weight < np.inf for weight in counted.values()):
        raise BenchError(
            "E-BAD-VALUE", f"weights: got {dict(weights)}, expected none below 0 and one above it"
        )
    parts = scaled(table, list(counted)) * (pd.Series(counted) / sum(counted.values()))
    total = parts.sum(axis=1)
    ranks = total.rank(method="min", ascending=False).astype("Int64")
    ranked = pd.concat([ranks.rename("rank"), total.rename("total"), parts], axis=1)
    return ranked.sort_index().sort_values("total", ascending=False, kind="stable")


def shares(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """For which share of all weightings each row comes first.

    All weightings: uniform on the weights that are not negative and sum to 1. Equal rows share
    evenly. Two axes are exact; more are sampled, `SAMPLE` weightings and always the same.

    Args:
        table: As for `scaled`.
        axes: Some of `bench.pareto.AXES`.

    Returns:
        Indexed as `scaled`: `share`, of which the sum is 1, and `error`, its standard error (0
        where it is exact, and where no weighting of the sample, or every one, is a row's).

    Raises:
        BenchError: E-BAD-VALUE for another axis.
    """
    points = scaled(table, axes)
    if points.empty:
        return pd.DataFrame({"share": [], "error": []}, index=points.index, dtype=float)
    distinct, row, copies = np.unique(
        points.to_numpy(), axis=0, return_inverse=True, return_counts=True
    )
    able = np.flatnonzero(dominators(distinct) < 0)
    share, error = np.zeros((2, len(distinct)))
    share[able] = (_exact if len(axes) == 2 else _sampled)(distinct[able])
    if len(axes) > 2:
        error = np.sqrt(share * (1 - share) / SAMPLE)
    numbers = {"share": (share / copies)[row], "error": (error / copies)[row]}
    return pd.DataFrame(numbers, index=points.index)


def _exact(points: Floats) -> Floats:
    """Shares of the lines w·x + (1 − w)·y of which the highest is looked for, w from 0 to 1.

    Args:
        points: rows × 2, none dominated, x ascending.
    """
    hull: list[int] = []
    for new in range(len(points)):
        while len(hull) > 1 and _crossing(points, hull[-1], new) <= _crossing(points, *hull[-2:]):
            hull.pop()
        hull.append(new)
    ends = [_crossing(points, *pair) for pair in pairwise(hull)]
    share = np.zeros(len(points))
    share[hull] = np.diff([0.0, *ends, 1.0])
    return share


def _crossing(points: Floats, first: int, second: int) -> float:
    """The weight of x from which on the second row is above the first."""
    (x, y), (more, less) = points[first], points[second]
    return float((y - less) / ((more - x) + (y - less)))


def _sampled(points: Floats) -> Floats:
    """Share of the sample's weightings for which each row has the highest total."""
    # Exponential numbers over their sum are uniform on the simplex; the sum changes no order.
    weights = np.random.default_rng(SEED).standard_exponential((SAMPLE, points.shape[1]))
    chunks = np.array_split(weights, -(-SAMPLE * len(points) // AT_ONCE))
    firsts = np.concatenate([(chunk @ points.T).argmax(axis=1) for chunk in chunks])
    return np.bincount(firsts, minlength=len(points)) / SAMPLE
