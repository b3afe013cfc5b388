"""Paired tests against scipy, definitions written anew, a bootstrap and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest, mannwhitneyu, norm

from bench.paired import (
    accuracy_error,
    accuracy_pairs,
    as_one,
    auroc_error,
    auroc_pairs,
    holm,
    placements,
    rank_intervals,
    tie_groups,
    unpaired_pairs,
)

shares = st.floats(0, 1)


def answers(runs: int, n: int, *, seed: int = 0) -> np.ndarray:
    """(runs, n) bool: right or not; what is hard for one is hard for all."""
    chance = np.random.default_rng(seed)
    hard = chance.normal(size=n)
    skill = np.linspace(0.5, 1.5, runs)
    return hard + chance.normal(size=(runs, n)) < skill[:, None]


def scores(seed: int, n: int = 40, sizes: tuple[int, ...] = (30, 50)):
    """Outlier scores of a run: in-distribution, and of each set; with ties, across runs alike."""
    easy = np.random.default_rng(0)
    own = np.random.default_rng(100 + seed)
    drawn = [(0.0, n), *((1.0 + place, size) for place, size in enumerate(sizes))]
    inside, *outside = (
        np.round(easy.normal(mean, 1, size) + own.normal(0, 0.7, size), 1).astype(np.float32)
        for mean, size in drawn
    )
    return inside, outside


# accuracies


def test_mcnemar_is_the_binomial_test_of_the_images_that_one_alone_has_right():
    right = answers(5, 200)
    found = accuracy_pairs(right)
    for i in range(5):
        for j in range(5):
            one = int((right[i] & ~right[j]).sum())
            both = int((right[i] != right[j]).sum())
            expected = binomtest(one, both, 0.5).pvalue if both else 1
            assert found.p[i, j] == pytest.approx(expected, rel=1e-10)
            assert found.difference[i, j] == pytest.approx(right[i].mean() - right[j].mean())


def test_a_table_of_two_runs_by_hand():
    first = np.array([1] * 6 + [0] * 14)
    second = np.array([0] * 6 + [1] + [0] * 13)
    found = accuracy_pairs(np.stack([first, second]))
    assert found.p[0, 1] == pytest.approx(2 * (1 + 7) / 2**7)
    assert found.difference[0, 1] == pytest.approx(5 / 20)
    assert found.stderr[0, 1] == pytest.approx(math.sqrt((7 - 25 / 20) / 19 / 20))


def test_means_over_versions_are_tested_by_their_paired_difference():
    means = answers(12, 150).reshape(3, 4, 150).mean(1)
    found = accuracy_pairs(means)
    for i, j in ((0, 1), (0, 2), (2, 1)):
        gap = means[i] - means[j]
        stderr = gap.std(ddof=1) / math.sqrt(len(gap))
        assert found.stderr[i, j] == pytest.approx(stderr, rel=1e-9)
        assert found.p[i, j] == pytest.approx(2 * norm.sf(abs(gap.mean()) / stderr), rel=1e-9)


def test_pairs_are_narrower_than_runs_on_images_of_their_own():
    right = answers(2, 2000)
    n = right.shape[1]
    apart = unpaired_pairs(right.mean(1), np.array([accuracy_error(a, n) for a in right.mean(1)]))
    assert accuracy_pairs(right).stderr[0, 1] < 0.9 * apart.stderr[0, 1]


def test_a_run_does_not_differ_from_itself():
    right = answers(1, 50).repeat(3, axis=0)
    versions = answers(4, 50).mean(0, keepdims=True).repeat(3, axis=0)
    inside, outside = scores(0)
    area = placements(inside, outside)
    for found in (
        accuracy_pairs(right),
        accuracy_pairs(versions),
        auroc_pairs([area] * 3),
        unpaired_pairs(np.full(3, 0.9), np.full(3, 0.1)),
    ):
        assert_array_equal(found.difference, 0)
        assert_array_equal(found.p, 1)


@pytest.mark.parametrize(
    "wrong", [np.ones((2, 1)), np.ones(5), np.full((2, 5), 1.5), np.full((2, 5), np.nan)]
)
def test_what_is_no_table_of_answers_is_refused(wrong):
    with pytest.raises(ValueError, match="correct: got"):
        accuracy_pairs(wrong)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_pairs_turn_their_sign_and_do_not_depend_on_the_order(data):
    runs, n = data.draw(st.integers(1, 5)), data.draw(st.integers(2, 30))
    values = st.sampled_from([0, 1]) if data.draw(st.booleans()) else shares
    rows = st.lists(values, min_size=n, max_size=n)
    right = np.array(data.draw(st.lists(rows, min_size=runs, max_size=runs)), float)
    order = data.draw(st.permutations(range(runs)))
    images = data.draw(st.permutations(range(n)))
    found, moved = accuracy_pairs(right), accuracy_pairs(right[order][:, images])
    assert_array_equal(found.difference, -found.difference.T)
    assert_array_equal(found.p, found.p.T)
    assert ((found.p >= 0) & (found.p <= 1)).all()
    assert_allclose(moved.difference, found.difference[np.ix_(order, order)], atol=1e-12)
    assert_allclose(moved.stderr, found.stderr[np.ix_(order, order)], atol=1e-7)


# areas


def kernel(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """(N, M): 1 where the outlier scores above, ½ where the same."""
    return (outside > inside[:, None]) + 0.5 * (outside == inside[:, None])


def plain_delong(first, second) -> tuple[float, float]:
    """Difference of mean areas and its error, by the definition."""
    difference, within, between = 0.0, 0.0, 0.0
    sets = len(first[1])
    for one, other in zip(first[1], second[1], strict=True):
        gap = kernel(first[0], one) - kernel(second[0], other)
        difference += gap.mean() / sets
        within = within + gap.mean(1) / sets
        between += gap.mean(0).var(ddof=1) / gap.shape[1] / sets**2
    return difference, math.sqrt(between + np.var(within, ddof=1) / len(first[0]))


@pytest.mark.parametrize("sizes", [(30,), (30, 50), (7, 2, 90)])
def test_delong_by_placements_is_delong_by_the_kernel(sizes):
    runs = [scores(seed, sizes=sizes) for seed in range(4)]
    found = auroc_pairs([placements(*run) for run in runs])
    for i in range(4):
        for j in range(i):
            difference, stderr = plain_delong(runs[i], runs[j])
            assert found.difference[i, j] == pytest.approx(difference, abs=1e-12)
            assert found.stderr[i, j] == pytest.approx(stderr, rel=1e-9)
            p = 2 * norm.sf(abs(difference) / stderr)
            assert found.p[i, j] == pytest.approx(p, rel=1e-9)


def test_the_area_is_that_of_mann_and_whitney():
    inside, (outside,) = scores(3, sizes=(60,))
    area = placements(inside, [outside]).inside.mean()
    wins = mannwhitneyu(outside.astype(float), inside.astype(float)).statistic
    assert area == pytest.approx(wins / (len(inside) * len(outside)), abs=1e-12)


def resampled(runs, *, together: bool) -> float:
    """Deviation of the difference of two mean areas over draws of the images."""
    chance = np.random.default_rng(2)
    found = []
    for _ in range(1500):
        rows = chance.integers(0, len(runs[0][0]), len(runs[0][0]))
        columns = [
            rows if together else chance.integers(0, len(one), len(one)) for one in runs[0][1]
        ]
        areas = [
            np.mean(
                [kernel(inside[rows], one[c]).mean() for one, c in zip(odd, columns, strict=True)]
            )
            for inside, odd in runs
        ]
        found.append(areas[0] - areas[1])
    return float(np.std(found))


def test_the_error_of_a_difference_of_areas_is_that_of_a_bootstrap():
    runs = [scores(seed, 150, (150, 200)) for seed in (1, 2)]
    found = auroc_pairs([placements(*run) for run in runs])
    assert found.stderr[0, 1] == pytest.approx(resampled(runs, together=False), rel=0.08)


def test_changed_forms_of_the_same_images_are_drawn_with_them():
    runs = [scores(seed, 200, (200, 200)) for seed in (1, 2)]
    moved = [(inside, [inside + 0.3 * odd for odd in outside]) for inside, outside in runs]
    parts = [placements(*run) for run in moved]
    apart, together = auroc_pairs(parts), auroc_pairs([as_one(one) for one in parts])
    assert_allclose(together.difference, apart.difference, atol=1e-12)
    expected = resampled(moved, together=True)
    assert together.stderr[0, 1] == pytest.approx(expected, rel=0.08)
    assert apart.stderr[0, 1] > 1.3 * expected


def test_areas_turn_their_sign_and_do_not_depend_on_the_order():
    parts = [placements(*scores(seed)) for seed in range(4)]
    order = [2, 0, 3, 1]
    found, moved = auroc_pairs(parts), auroc_pairs([parts[i] for i in order])
    assert_array_equal(found.difference, -found.difference.T)
    assert_allclose(moved.p, found.p[np.ix_(order, order)], rtol=1e-9)
    turned = auroc_pairs([placements(inside, odd[::-1]) for inside, odd in map(scores, range(4))])
    assert_allclose(turned.p, found.p, rtol=1e-9)


@pytest.mark.parametrize(("inside", "outside"), [(5, []), (5, [1]), (1, [5])])
def test_areas_of_too_few_images_are_refused(inside, outside):
    with pytest.raises(ValueError, match="fewer than two images"):
        placements(np.arange(inside), [np.arange(n) for n in outside])


# unpaired


def test_numbers_without_answers_have_the_error_of_their_sum_of_squares():
    found = unpaired_pairs(np.array([0.9, 0.8, 0.7]), np.array([0.03, 0.04, np.nan]))
    assert found.stderr[0, 1] == pytest.approx(0.05)
    assert found.p[0, 1] == pytest.approx(2 * norm.sf(2))
    assert found.difference[0, 2] == pytest.approx(0.2)
    assert np.isnan(found.p[2, :2]).all()
    assert_array_equal(np.diag(found.p)[:2], 1)


def test_the_errors_of_a_share_and_of_an_area_by_their_closed_forms():
    assert accuracy_error(0.5, 100) == pytest.approx(0.05)
    assert accuracy_error(1, 100) == 0
    assert auroc_error(0.5, 10, 20) == pytest.approx(math.sqrt(31 / 12 / 200))  # Mann-Whitney's
    q1, q2 = 0.8 / 1.2, 2 * 0.64 / 1.8
    expected = (0.16 + 9 * (q1 - 0.64) + 19 * (q2 - 0.64)) / 200
    assert auroc_error(0.8, 20, 10) == pytest.approx(math.sqrt(expected))


# many tests, ranks


def test_holm_by_hand():
    assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert_allclose(holm(np.array([0.5, np.nan, 0.02])), [0.5, np.nan, 0.04])
    assert holm(np.array([])).shape == (0,)


def test_holm_counts_each_pair_of_a_matrix_once():
    p = np.array([[1, 0.01, 0.04], [0.01, 1, 0.03], [0.04, 0.03, 1]])
    assert_allclose(holm(p), [[1, 0.03, 0.06], [0.03, 1, 0.06], [0.06, 0.06, 1]])
    assert_array_equal(holm(np.ones((1, 1))), [[1]])


@given(st.lists(shares, max_size=12), st.randoms())
def test_holm_keeps_the_order_of_the_tests_and_lies_between_p_and_bonferroni(given_p, chance):
    p = np.array(given_p)
    found = holm(p)
    assert ((found >= p) & (found <= np.minimum(1, len(p) * p) + 1e-15)).all()
    order = list(range(len(p)))
    chance.shuffle(order)
    assert_array_equal(holm(p[order]), found[order])


def beats(*pairs: tuple[int, int], runs: int) -> np.ndarray:
    better = np.zeros((runs, runs), bool)
    for one, other in pairs:
        better[one, other] = True
    return better


def test_a_rank_lies_between_those_surely_better_and_those_surely_worse():
    low, high = rank_intervals(beats((0, 2), (0, 3), (1, 3), runs=4))
    assert list(zip(low, high, strict=True)) == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert_array_equal(rank_intervals(beats(runs=3)), [[1, 1, 1], [3, 3, 3]])


def test_a_group_has_all_that_are_not_surely_worse_than_its_leader():
    values = np.array([9, 8, 7, 6, 5, 4.0])
    clear = beats((0, 3), (0, 4), (0, 5), (1, 5), (3, 5), runs=6)
    assert tie_groups(values, clear).tolist() == [1, 1, 1, 4, 4, 6]
    gap = beats((0, 1), runs=3)  # the third is known less well than the second
    assert tie_groups(values[:3], gap).tolist() == [1, 2, 1]
    assert tie_groups(values[:3], beats(runs=3)).tolist() == [1, 1, 1]


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=7), st.data())
def test_groups_do_not_depend_on_the_order_of_the_runs(given_values, data):
    values = np.array(given_values)
    runs = len(values)
    chances = data.draw(st.lists(st.booleans(), min_size=runs**2, max_size=runs**2))
    better = np.array(chances).reshape(runs, runs) & (values[:, None] > values)
    order = data.draw(st.permutations(range(runs)))
    found = tie_groups(values, better)
    assert_array_equal(tie_groups(values[order], better[np.ix_(order, order)]), found[order])
    assert found.min() == 1
    assume(better.sum() == (values[:, None] > values).sum())
    assert_array_equal(found, 1 + (values[:, None] > values).sum(0))
