"""Shares of weightings against closed forms, and what a ranking by weights may not do."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from bench.errors import BenchError
from bench.pareto import front
from bench.weighing import SAMPLE, scaled, shares, weighed

TWO, THREE = ["accuracy", "shift"], ["accuracy", "shift", "brier"]


def table_of(rows, axes, labels=None) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=axes, index=labels, dtype=float)


def clouds(axes: list[str], least: int = 1):
    number = st.integers(0, 20)
    rows = st.lists(st.tuples(*[number] * len(axes)), min_size=least, max_size=12)
    return rows.map(lambda found: table_of(found, axes))


# scaled and weighed


def test_the_best_is_one_and_the_worst_zero_on_each_axis():
    table = table_of([[0.9, 200], [0.5, 100], [0.7, 175]], ["accuracy", "size_bytes"])
    assert scaled(table, ["accuracy", "size_bytes"]).to_numpy().ravel().tolist() == pytest.approx(
        [1, 0, 0, 1, 0.5, 0.25]
    )


def test_an_axis_on_which_all_are_equal_says_nothing():
    table = table_of([[0.9, 0.5], [0.5, 0.5]], TWO)
    assert scaled(table, TWO)["shift"].tolist() == [0, 0]
    assert weighed(table, {"accuracy": 1, "shift": 9})["total"].tolist() == pytest.approx([0.1, 0])


def test_a_total_is_the_weighted_mean_and_the_sum_of_its_parts():
    table = table_of([[0.9, 0.1, 0.4], [0.5, 0.6, 0.2], [0.7, 0.6, 0.4]], THREE, list("abc"))
    found = weighed(table, {"accuracy": 3, "shift": 1, "brier": 4})
    assert found.index.tolist() == ["b", "a", "c"]
    assert found["total"].tolist() == pytest.approx([5 / 8, 3 / 8, 2.5 / 8])
    assert found["rank"].tolist() == [1, 2, 3]
    assert found.loc["c", THREE].tolist() == pytest.approx([1.5 / 8, 1 / 8, 0])
    assert found[THREE].sum(axis=1).tolist() == pytest.approx(found["total"].tolist())


def test_a_row_needs_the_numbers_of_the_axes_that_count_alone():
    table = table_of([[0.9, None], [0.5, 0.5]], TWO)
    assert weighed(table, {"accuracy": 1, "shift": 1}).index.tolist() == [1]
    assert weighed(table, {"accuracy": 1, "shift": 0}).index.tolist() == [0, 1]


def test_equal_totals_share_a_rank_and_stand_in_the_order_of_their_labels():
    table = table_of([[1, 0], [0, 1], [0, 0]], TWO, ["z", "a", "m"])
    found = weighed(table, {"accuracy": 1, "shift": 1})
    assert found.index.tolist() == ["a", "z", "m"]
    assert found["rank"].tolist() == [1, 1, 3]


@pytest.mark.parametrize("weights", [{}, {"accuracy": 0}, {"accuracy": -1, "shift": 2}])
def test_weights_that_rank_nothing_are_refused(weights):
    with pytest.raises(BenchError, match="weights: got"):
        weighed(table_of([[1, 2]], TWO), weights)


def test_a_weight_that_is_no_number_is_refused():
    with pytest.raises(BenchError, match="weights: got"):
        weighed(table_of([[1, 2]], TWO), {"accuracy": float("nan")})


# shares


def test_two_rows_on_two_axes_share_where_their_lines_cross():
    found = shares(table_of([[1, 0], [0, 1]], TWO), TWO)
    assert found["share"].tolist() == [0.5, 0.5]
    assert found["error"].tolist() == [0, 0]


def test_three_rows_on_two_axes_are_cut_by_their_envelope():
    # scaled (1, 0), (0, 1), (0.7, 0.6): w = 0.6 / (0.6 + 0.3) and w = 0.4 / (0.4 + 0.7)
    table = table_of([[10, 0], [0, 10], [7, 6]], TWO)
    first, second = 0.4 / 1.1, 0.6 / 0.9
    assert shares(table, TWO)["share"].tolist() == pytest.approx(
        [1 - second, first, second - first], abs=1e-12
    )


def test_a_row_on_the_front_but_below_the_envelope_is_never_first():
    table = table_of([[10, 0], [0, 10], [4, 5]], TWO)
    assert front(table, TWO)["front"].all()
    assert shares(table, TWO)["share"].tolist() == pytest.approx([0.5, 0.5, 0])


def test_three_rows_each_best_on_its_own_axis_have_a_third_each():
    found = shares(table_of([[1, 0, 1], [0, 1, 1], [0, 0, 0]], THREE), THREE)
    assert (abs(found["share"] - 1 / 3) < 4 * found["error"]).all()
    assert found["error"].tolist() == pytest.approx([(2 / 9 / SAMPLE) ** 0.5] * 3, rel=0.05)


def test_a_third_axis_on_which_the_second_row_wins_too():
    # b is first where w(shift) + w(brier) > w(accuracy), which is 3/4 of the triangle
    found = shares(table_of([[1, 0, 1], [0, 1, 0]], THREE), THREE)
    assert found.loc[1, "share"] == pytest.approx(0.75, abs=4 * found.loc[1, "error"])


def test_one_axis_is_won_by_its_best_rows_evenly():
    found = shares(table_of([[3], [3], [1]], ["accuracy"]), ["accuracy"])
    assert found["share"].tolist() == [0.5, 0.5, 0]
    assert found["error"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("axes", [["accuracy"], TWO, THREE])
def test_rows_that_are_all_equal_share_evenly(axes):
    found = shares(table_of([[0.5] * len(axes)] * 4, axes), axes)
    assert found["share"].tolist() == [0.25] * 4


def test_a_row_that_lacks_a_number_has_no_share_and_no_rows_have_none():
    table = table_of([[1, None], [0, 1]], TWO)
    assert shares(table, TWO)["share"].to_dict() == {1: 1.0}
    assert shares(table.iloc[:1], TWO).empty


@pytest.mark.parametrize("axes", [["shift"], TWO, THREE])
@settings(max_examples=60)
@given(data=st.data())
def test_shares_sum_to_one_and_a_dominated_row_has_none(axes, data):
    table = data.draw(clouds(axes))
    found = shares(table, axes)
    assert found["share"].sum() == pytest.approx(1)
    assert (found["share"] >= 0).all()
    assert (found.loc[~front(table, axes)["front"], "share"] == 0).all()


@pytest.mark.parametrize("axes", [["shift"], TWO, THREE])
@settings(max_examples=30)
@given(data=st.data())
def test_a_row_that_is_best_everywhere_is_always_first(axes, data):
    table = data.draw(clouds(axes))
    best = [-1 if axis == "brier" else 21 for axis in axes]
    table = pd.concat([table, table_of([best], axes, ["best"])])
    found = shares(table, axes)["share"]
    assert found["best"] == 1
    assert (found.drop("best") == 0).all()


@pytest.mark.parametrize("axes", [TWO, THREE])
@settings(max_examples=30)
@given(data=st.data())
def test_the_order_of_the_rows_changes_nothing(axes, data):
    table = data.draw(clouds(axes))
    order = data.draw(st.permutations(range(len(table))))
    weights = dict(zip(axes, (2, 3, 1), strict=False))
    assert_frame_equal(shares(table.iloc[order], axes).sort_index(), shares(table, axes))
    assert_frame_equal(weighed(table.iloc[order], weights), weighed(table, weights))


@settings(max_examples=40)
@given(table=clouds(TWO))
def test_the_exact_share_is_that_of_a_fine_grid_of_weights(table):
    points = scaled(table, TWO).to_numpy()
    weight = (np.arange(4000) + 0.5) / 4000
    totals = np.outer(weight, points[:, 0]) + np.outer(1 - weight, points[:, 1])
    firsts = np.isclose(totals, totals.max(axis=1, keepdims=True), rtol=0, atol=1e-12)
    counted = (firsts / firsts.sum(axis=1, keepdims=True)).mean(axis=0)
    assert shares(table, TWO)["share"].to_numpy() == pytest.approx(counted, abs=2e-3)


def test_the_first_of_the_ranking_is_first_for_some_weightings():
    table = table_of(np.random.default_rng(3).random((50, 3)), THREE)
    found = shares(table, THREE)["share"]
    best = weighed(table, {"accuracy": 2, "shift": 1, "brier": 1}).index[0]
    assert found[best] > 0
