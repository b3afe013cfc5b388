"""Which runs no other beats, and how high the curve of a pruner stands over sparsity. No torch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.errors import BenchError
from bench.headline import HEADLINE, higher_is_better
from bench.protocol import METRICS
from bench.ranking import GROUP, PRUNED, any_of, of_each_seed, stated_sparsity

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

AXES = ["sparsity", *(column for column in HEADLINE if higher_is_better(column) is not None)]
CURVE = [*GROUP, *PRUNED]  # whose runs at several sparsities are one curve
NEAR = 0.005  # of sparsity: what is closer counts as one sparsity; seeds differ by less


def upwards(axis: str) -> bool:
    """Whether higher is better on an axis.

    Raises:
        BenchError: E-BAD-VALUE if it is none of `AXES`.
    """
    if axis not in AXES:
        raise BenchError("E-BAD-VALUE", f"axis: got {axis!r}, expected one of {AXES}")
    if axis == "sparsity":
        return bool(METRICS["sparsity"].higher_is_better)
    return bool(higher_is_better(axis))


def oriented(table: pd.DataFrame, axes: Sequence[str]) -> Floats:
    """Numbers of which higher is better: those of the other axes change their sign.

    Args:
        table: What `bench.ranking.summary` or `relative` returns.
        axes: Some of `AXES`.

    Returns:
        rows × axes; NaN where a number is missing or infinite.

    Raises:
        BenchError: E-BAD-VALUE for another axis.
    """
    signs = np.array([1.0 if upwards(axis) else -1.0 for axis in axes])
    numbers = table[list(axes)].to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan) * signs + 0.0  # no -0.0


def unit(points: Floats) -> Floats:
    """Each axis from its lowest number, 0, to its highest, 1; 0 where all are equal.

    Args:
        points: rows × axes, finite.
    """
    if not len(points):
        return points
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    scaled: Floats = (points - low) / np.where(span > 0, span, 1)
    return scaled


def dominators(points: Floats) -> Rows:
    """For each row the row on the front that dominates it by the most.

    A row dominates another if it is nowhere lower and somewhere higher. By the most: the sum over
    the axes of the differences, each as a share of its axis's range, is largest; of equal sums
    that which is higher on the first axis that tells them apart, of equal rows the first.

    Args:
        points: rows × axes, finite, higher is better.

    Returns:
        Row numbers, -1 for the rows on the front.
    """
    distinct, first, row = np.unique(points, axis=0, return_index=True, return_inverse=True)
    keys = [-distinct[:, axis] for axis in reversed(range(distinct.shape[1]))]
    # Nobody in this order comes after a row that it dominates: rounding keeps larger sums larger.
    order = np.lexsort([*keys, -unit(distinct).sum(axis=1)])
    found = (_of_two if points.shape[1] == 2 else _of_more)(distinct, order)
    return np.where(found < 0, -1, first[found])[row]


def _of_two(points: Floats, order: Rows) -> Rows:
    """What `dominators` finds for two axes; distinct rows, ascending on the first axis."""
    across, up = points.T
    highest = np.maximum.accumulate(up[::-1])[::-1]
    beaten = np.append(up[:-1] <= highest[1:], np.zeros(min(1, len(up)), dtype=bool))
    edge, below = np.flatnonzero(~beaten), np.flatnonzero(beaten)
    found = np.full(len(points), -1)
    # Along the front the first axis rises and the second falls, so dominators are neighbours.
    start = np.searchsorted(across[edge], across[below])
    stop = np.searchsorted(-up[edge], -up[below], side="right")
    place = np.append(np.argsort(order)[edge], len(order))
    nearest = np.minimum.reduceat(place, np.column_stack([start, stop]).ravel())[::2]
    found[below] = order[nearest]
    return found


def _of_more(points: Floats, order: Rows) -> Rows:
    """What `dominators` finds; distinct rows, each compared with the front alone."""
    ranked = np.ascontiguousarray(points[order].T)
    by = np.full(len(order), -1)
    for place in range(len(order)):
        if by[place] < 0:
            later = by[place + 1 :]
            beaten = (ranked[:, place + 1 :] <= ranked[:, place, None]).all(axis=0)
            later[beaten & (later < 0)] = place
    found = np.full(len(order), -1)
    found[order] = np.where(by < 0, -1, order[by])
    return found


def front(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Which rows no other dominates, and by which of those the others are dominated.

    Args:
        table: Rows of one comparable group of `bench.ranking.summary` or `relative`; every label
            of its index once.
        axes: Some of `AXES`.

    Returns:
        Indexed as the table: `front` (bool) and `dominator`, the label of the row that
        `dominators` finds; of equal rows that of the lowest label, so the order of the rows
        changes nothing. None for rows on the front, and for rows that lack a number, which
        neither are on the front nor dominate.

    Raises:
        BenchError: E-BAD-VALUE for another axis.
    """
    points = oriented(table, axes)
    rows = table.index.argsort()
    rows = rows[~np.isnan(points[rows]).any(axis=1)]
    found = dominators(points[rows])
    result = pd.DataFrame({"front": False}, index=table.index)
    result["dominator"] = pd.Series([None] * len(table), index=table.index, dtype=object)
    beaten = found >= 0
    result.iloc[rows[~beaten], 0] = True
    result.iloc[rows[beaten], 1] = table.index[rows[found[beaten]]].to_numpy(dtype=object)
    return result


def area(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean height of each family's curve of a number over sparsity.

    A curve goes straight from one sparsity to the next, each the mean over the seeds. The area
    under it is taken where all curves are, from the largest of their lowest sparsities to the
    smallest of their highest, and divided by the width of that range.

    Args:
        table: Rows of one comparable group of `bench.ranking.summary` or `relative`.
        column: Of `HEADLINE`.

    Returns:
        A row for each family: the columns of `CURVE`, `flags` (of any of its runs), `low` and
        `high` (the range), `sparsities` (count in the range), `area` and `why` (text: why there is
        none, or ""). Without an area are families of one sparsity, which leave the range as it is,
        with fewer than two in the range, or with a missing number in the range.

    Raises:
        BenchError: E-BAD-VALUE if there is no such column.
    """
    if column not in HEADLINE:
        raise BenchError("E-BAD-VALUE", f"area: got {column!r}, expected one of {list(HEADLINE)}")
    placed = table.dropna(subset=["sparsity"]).assign(level=stated_sparsity)
    if {"seed", "trust", "started"} <= set(placed):  # runs, not ratios
        placed = of_each_seed(placed, [*CURVE, "level"])
    families = _means(placed, column).groupby(CURVE, dropna=False, sort=True)
    parts = families[["sparsity", "height"]]
    flagged = placed[[*CURVE, "flags"]].drop_duplicates().groupby(CURVE, dropna=False, sort=True)
    flags = [any_of(words) for _, words in flagged["flags"]]
    curves = [(key, part.to_numpy().T) for key, part in parts]
    low, high = _shared([curve for _, curve in curves])
    columns = [*CURVE, "flags", "low", "high", "sparsities", "area", "why"]
    rows = [
        (*key, words, low, high, *_under(curve, low, high))
        for (key, curve), words in zip(curves, flags, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns).astype({"area": float, "low": float, "high": float})


def _means(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """For each family and `level` the means over seeds, `sparsity` and `height`."""
    grouped = table.groupby([*CURVE, "level"], dropna=False, sort=True)
    means = grouped.agg(sparsity=("sparsity", "mean"))
    means["height"] = grouped[column].mean(skipna=False)
    return means.reset_index().sort_values(["sparsity", "height"])


def _shared(curves: Sequence[Floats]) -> tuple[float, float]:
    """The range of sparsities that all curves have; NaN without a curve."""
    measured = [sparsity[~np.isnan(height)] for sparsity, height in curves]
    long = [sparsity for sparsity in measured if _spread(sparsity) > NEAR]
    if not long:
        return np.nan, np.nan
    return max(s.min() for s in long), min(s.max() for s in long)


def _spread(numbers: Floats) -> float:
    return float(np.ptp(numbers)) if len(numbers) else 0.0


def _under(curve: Floats, low: float, high: float) -> tuple[int, float, str]:
    """Sparsities of a curve within a range, its mean height there, and why it has none.

    Args:
        curve: Sparsities, ascending, and heights, NaN where there is none.
        low: Of the range.
        high: Of the range.
    """
    sparsity, height = curve
    inside = (sparsity >= low - NEAR) & (sparsity <= high + NEAR)
    missing = sparsity[inside & np.isnan(height)]
    if _spread(sparsity) <= NEAR:
        why = "one sparsity alone"
    elif not high - low > NEAR:
        why = "no range of sparsities is shared"
    elif len(missing):
        why = f"no number at sparsity {missing[0]:.3g}"
    elif _spread(sparsity[inside]) <= NEAR:
        why = f"fewer than two sparsities from {low:.3g} to {high:.3g}"
    else:
        known, heights = curve[:, ~np.isnan(height)]
        places = np.array([low, *known[(known > low) & (known < high)], high])
        mean = np.trapezoid(np.interp(places, known, heights), places) / (high - low)
        return int(inside.sum()), float(mean), ""
    return int(inside.sum()), np.nan, why
