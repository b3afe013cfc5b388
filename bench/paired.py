"""Whether one run is better than another beyond chance. NumPy and SciPy only.

Runs that answered the same images are compared image by image: what is hard for one is hard for
the other, so that differences show that are smaller than the runs' own errors.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, ndtr

Array = np.ndarray
ROUNDING = 1e-12  # of sums of float64; one answer of 10⁵ images moves any number by more


class Pairs(NamedTuple):
    """R runs, each against each.

    Args:
        difference: (R, R) float64, row minus column; antisymmetric.
        stderr: (R, R) float64, at least 0: standard error of the difference; symmetric.
        p: (R, R) float64 in [0, 1], two-sided; symmetric, 1 on the diagonal; NaN where nothing
            allows a test.
    """

    difference: Array
    stderr: Array
    p: Array


class Placements(NamedTuple):
    """What a mean of areas under ROC curves, one a set of outliers, is the mean of.

    Args:
        inside: (N,) float64 in [0, 1]: the share of the outliers that score above each
            in-distribution image, ties counted ½, as a mean over the sets.
        outside: For each of S sets, (M,) float64 in [0, 1]: the share of the in-distribution
            images that each outlier scores above, ties counted ½.
    """

    inside: Array
    outside: tuple[Array, ...]


def accuracy_pairs(correct: Array) -> Pairs:
    """Differences of the accuracies of R runs on the same N images.

    Args:
        correct: (R, N) in [0, 1], N at least 2: 1 where a run is right, or its mean over several
            versions of each image.

    Returns:
        Where both runs have nothing but 0 and 1, p is that of McNemar's exact test: binomial, on
        the images that only one of them has right. Else that of the mean difference, taken as
        normal. The standard error is the same for both.

    Raises:
        ValueError: If there are fewer than two images or a value is not in [0, 1].

    References:
        McNemar, Note on the sampling error of the difference between correlated proportions or
        percentages, 1947.
    """
    right = np.asarray(correct, np.float64)
    if right.ndim != 2 or right.shape[1] < 2:
        raise ValueError(f"correct: got the shape {right.shape}, expected (R, N) with N ≥ 2")
    if not ((right >= 0) & (right <= 1)).all():
        raise ValueError("correct: got a value that is not in [0, 1]")
    pairs = _normal(right.mean(1), _covariance(right))
    whole = ((right == 0) | (right == 1)).all(1)
    alone = (right @ (1 - right).T).astype(int)  # images that the row alone has right
    exact = np.minimum(1, 2 * bdtr(np.minimum(alone, alone.T), alone + alone.T, 0.5))
    return pairs._replace(p=np.where(whole[:, None] & whole, exact, pairs.p))


def placements(inside: Array, outside: Sequence[Array]) -> Placements:
    """Placements of in-distribution images among outliers, and the other way round.

    Args:
        inside: (N,) outlier scores of in-distribution images; higher = more anomalous.
        outside: The same of each set of outliers, (M,); at least one set.

    Raises:
        ValueError: If there is no set, or one has fewer than two images.
    """
    if not outside or min(len(inside), *map(len, outside)) < 2:
        raise ValueError("outlier scores: got fewer than two images of a set, or no set")
    among = np.sort(inside)
    above = np.zeros(len(inside))
    for odd in outside:
        above += 1 - _share_below(inside, np.sort(odd))
    return Placements(above / len(outside), tuple(_share_below(odd, among) for odd in outside))


def as_one(found: Placements) -> Placements:
    """The placements where every set holds the N in-distribution images themselves, changed.

    An image and its changed forms are then one draw: their placements are added up. The area is
    the same, its error is not that of independent sets.

    References:
        Obuchowski, Nonparametric analysis of clustered ROC curve data, 1997.
    """
    changed = np.mean(found.outside, axis=0)
    return Placements(found.inside + changed - changed.mean(), ())


def auroc_pairs(runs: Sequence[Placements]) -> Pairs:
    """Differences of the mean areas under ROC curves of R runs on the same images.

    Args:
        runs: What `placements` gives of each, or `as_one` of each, all of the same shapes.

    Returns:
        By the covariance of the areas, the sets drawn independently of each other; p takes the
        difference as normal.

    References:
        DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated
        receiver operating characteristic curves, 1988.
    """
    return _normal(np.array([run.inside.mean() for run in runs]), area_covariance(runs))


def area_covariance(runs: Sequence[Placements]) -> Array:
    """(R, R) covariance of the mean areas, over the draw of the images; as for `auroc_pairs`."""
    covariance = _covariance(np.stack([run.inside for run in runs]))
    sets = [np.stack(same) for same in zip(*(run.outside for run in runs), strict=True)]
    for one in sets:
        covariance += _covariance(one) / len(sets) ** 2
    return covariance


def unpaired_pairs(values: Array, errors: Array) -> Pairs:
    """Differences of R numbers that are taken as independent.

    Wider than needed where the runs have the same images, since what is hard for one is hard for
    the other: use it where the images' answers are not known.

    Args:
        values: (R,).
        errors: (R,) standard errors; NaN where there is none.

    Returns:
        NaN as error and p of a pair of which one has no error.
    """
    return _normal(values, np.diag(np.square(errors)))


def accuracy_error(accuracy: float, n: int) -> float:
    """Standard error √(p(1 − p)/n) of an accuracy on n images.

    For the mean over several versions of the same n images it is an upper bound.
    """
    return float(np.sqrt(accuracy * (1 - accuracy) / n))


def auroc_error(area: float, inside: int, outside: int) -> float:
    """Standard error of an area under the ROC curve by the numbers of images alone.

    Args:
        area: In [0, 1].
        inside: Number of in-distribution images, at least 1.
        outside: Number of outliers, at least 1.

    Returns:
        As if the scores were exponential, which for most others is too much.

    References:
        Hanley and McNeil, The meaning and use of the area under a receiver operating
        characteristic (ROC) curve, 1982, equation 2.
    """
    two_outside, two_inside = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area)
    variance += (outside - 1) * (two_outside - area**2) + (inside - 1) * (two_inside - area**2)
    return float(np.sqrt(max(variance, 0) / (inside * outside)))


def holm(p: Array) -> Array:
    """Holm's adjusted p-values: the level holds for all tests together.

    Args:
        p: Any 1-d array, or a symmetric matrix of which each pair counts once; NaN is no test.

    Returns:
        Of the same shape, at least p, at most 1, NaN where p is; the diagonal of a matrix is 1.

    References:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    if p.ndim == 2:
        upper = np.triu_indices(len(p), 1)
        matrix = np.ones(p.shape)
        matrix[upper] = matrix.T[upper] = holm(p[upper])
        return matrix
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]  # NaN is sorted last
    adjusted = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def rank_intervals(better: Array) -> tuple[Array, Array]:
    """Between which ranks each run lies.

    Args:
        better: (R, R) bool: whether the row is significantly better than the column.

    Returns:
        (R,) int, 1 + the number of runs that are significantly better; (R,) int, R − the number
        of those that are significantly worse. Of adjusted tests of all pairs, all intervals hold
        together at the level of the tests.
    """
    return 1 + better.sum(0), len(better) - better.sum(1)


def tie_groups(values: Array, better: Array) -> Array:
    """Groups of runs, of which none is significantly worse than the group's leader.

    Going down from the best run: a group has all runs left that are not significantly worse than
    the best of them, whose rank is the group's number: 1, 1, 1, 4, 4, 6. Of equal values all lead.

    Args:
        values: (R,) float, none of them NaN; higher is better.
        better: (R, R) bool: whether the row is significantly better than the column.

    Returns:
        (R,) int, at least 1. A run may be in a better group than one of a higher value, if only
        the other is significantly worse than the leader.
    """
    groups = np.zeros(len(values), int)
    while (left := groups == 0).any():
        best = values[left].max()
        leaders = left & (values == best)
        groups[leaders | (left & ~better[leaders].any(0))] = 1 + np.count_nonzero(values > best)
    return groups


def _share_below(of: Array, among: Array) -> Array:
    """Share of the others, which are sorted, that is below each score, ties counted ½."""
    order = np.argsort(of)  # scores in their order are found several times faster
    asked = of[order]
    found = np.empty(len(of))
    wins = np.searchsorted(among, asked, "left") + np.searchsorted(among, asked, "right")
    found[order] = wins / (2 * len(among))
    return found


def _covariance(rows: Array) -> Array:
    """(R, R) covariance of the means of R rows of N numbers."""
    centred = rows - rows.mean(1, keepdims=True)
    return centred @ centred.T / (rows.shape[1] * (rows.shape[1] - 1))


def _normal(values: Array, covariance: Array) -> Pairs:
    """Pairs of numbers with a covariance, their differences taken as normal."""
    difference = values[:, None] - values
    own = np.diag(covariance)
    stderr = np.sqrt(np.maximum(own[:, None] + own - 2 * covariance, 0))
    np.fill_diagonal(stderr, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * ndtr(-np.abs(difference) / stderr)
    p[(np.abs(difference) < ROUNDING) & ~np.isnan(stderr)] = 1
    return Pairs(difference, stderr, p)
