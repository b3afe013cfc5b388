"""The front against pairwise comparison, and areas against closed forms."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from bench.errors import BenchError
from bench.headline import HEADLINE
from bench.pareto import AXES, CURVE, area, dominators, front, oriented
from bench.ranking import GROUP, relative, summary
from bench.store import open_store, run_frame, save_run
from tests.factories import some_run

THREE = ["sparsity", "accuracy", "size_bytes"]
LEVELS = [0.0, 0.25, 0.5, 1.0]


def dominates(first, second) -> bool:
    return all(a >= b for a, b in zip(first, second, strict=True)) and any(
        a > b for a, b in zip(first, second, strict=True)
    )


def brute_dominators(points: np.ndarray) -> list[int]:
    span = np.ptp(points, axis=0)
    height = ((points - points.min(axis=0)) / np.where(span > 0, span, 1)).sum(axis=1)
    on_front = [not any(dominates(q, p) for q in points) for p in points]
    found = []
    for point in points:
        able = [i for i, q in enumerate(points) if on_front[i] and dominates(q, point)]
        able.sort(key=lambda i: (-height[i], *(-points[i]), i))
        found.append(able[0] if able else -1)
    return found


def clouds(axes: int):
    number = st.sampled_from(LEVELS) | st.floats(-1e6, 1e6, allow_subnormal=False)
    rows = st.lists(st.tuples(*[number] * axes), min_size=0, max_size=14)
    return rows.map(lambda points: np.array(points, dtype=float).reshape(-1, axes) + 0.0)


def table_of(points, axes, labels=None) -> pd.DataFrame:
    return pd.DataFrame(points, columns=axes, index=labels, dtype=float)


@pytest.mark.parametrize("axes", [1, 2, 3, 5])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_front_is_that_of_pairwise_comparison(axes, data):
    points = data.draw(clouds(axes))
    assert dominators(points).tolist() == (brute_dominators(points) if len(points) else [])


def test_a_row_is_dominated_by_that_on_the_front_which_is_better_by_the_most():
    points = [[0.9, 0.4], [0.5, 0.8], [0.0, 0.9], [0.4, 0.3], [0.9, 0.1], [0.5, 0.8]]
    table = table_of(points, ["sparsity", "accuracy"], list("abcdef"))
    found = front(table, ["sparsity", "accuracy"])
    assert found.index[found["front"]].tolist() == ["a", "b", "c", "f"]
    # ranges are 0.9 and 0.8: the sums of a and b are 1.375 and 1.4305…; b and f are equal
    assert found["dominator"].tolist() == [None, None, None, "b", "a", None]


def test_lower_is_better_where_the_metric_says_so():
    table = table_of([[0.9, 0.8, 100], [0.9, 0.8, 50], [0.8, 0.9, 200]], THREE)
    assert front(table, THREE)["front"].tolist() == [False, True, True]
    assert oriented(table, ["size_bytes"]).ravel().tolist() == [-100, -50, -200]


@pytest.mark.parametrize("gone", [np.nan, np.inf, -np.inf])
def test_a_row_that_lacks_a_number_neither_is_on_the_front_nor_dominates(gone):
    table = table_of([[0.9, gone], [0.5, 0.5], [0.4, 0.4]], ["sparsity", "accuracy"])
    found = front(table, ["sparsity", "accuracy"])
    assert found["front"].tolist() == [False, True, False]
    assert found["dominator"].tolist() == [None, None, 1]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_nothing_and_equal_rows_are_dominated_by_none(rows):
    found = front(table_of([[0.5, 0.5, 3.0]] * rows, THREE), THREE)
    assert found["front"].tolist() == [True] * rows
    assert found["dominator"].tolist() == [None] * rows


@settings(max_examples=50, deadline=None)
@given(points=clouds(3), data=st.data())
def test_the_order_of_the_rows_changes_nothing(points, data):
    table = table_of(points, THREE)
    order = data.draw(st.permutations(range(len(table))))
    assert_frame_equal(front(table.iloc[order], THREE).sort_index(), front(table, THREE))


@settings(max_examples=50, deadline=None)
@given(points=clouds(2))
def test_every_dominator_is_on_the_front_and_only_dominated_rows_have_one(points):
    found = front(table_of(points, ["accuracy", "shift"]), ["accuracy", "shift"])
    assert (found["front"] == found["dominator"].isna()).all()
    assert found.loc[found["dominator"].dropna(), "front"].all()


def test_two_axes_and_the_same_two_twice_have_the_same_front():
    points = np.random.default_rng(0).integers(0, 30, (2000, 2)).astype(float)
    assert (dominators(points) == dominators(points[:, [0, 1, 0, 1]])).all()


@pytest.mark.parametrize("axis", ["slug", "declared_sparsity", "nonsense"])
def test_an_axis_that_has_no_better_end_is_refused(axis):
    with pytest.raises(BenchError, match=f"axis: got '{axis}', expected one of"):
        oriented(pd.DataFrame(), [axis])


def test_every_headline_number_and_the_sparsity_are_axes():
    assert ["sparsity", *HEADLINE] == AXES


# areas


def curve(pruner: str, *points: tuple[float, float | None], **fields) -> pd.DataFrame:
    """A run for each (sparsity, accuracy) of a pruner."""
    frame = pd.DataFrame(points, columns=["sparsity", "accuracy"], dtype=float)
    given = dict.fromkeys(CURVE, "same") | {"limit": np.nan, "pruner": pruner, "flags": ""}
    return frame.assign(**(given | {"declared_sparsity": frame["sparsity"]} | fields))


def areas(*curves: pd.DataFrame) -> pd.DataFrame:
    return area(pd.concat(curves, ignore_index=True), "accuracy").set_index("pruner")


def test_the_area_of_straight_lines_is_their_height_in_the_middle():
    found = areas(
        curve("flat", (0.5, 0.7), (0.9, 0.7)),
        curve("falling", (0.5, 0.8), (0.9, 0.4)),
        curve("bent", (0.5, 0.8), (0.8, 0.8), (0.9, 0.4)),
    )
    assert found["area"].to_dict() == pytest.approx(
        {"flat": 0.7, "falling": 0.6, "bent": (0.3 * 0.8 + 0.1 * 0.6) / 0.4}
    )
    assert found["sparsities"].to_dict() == {"flat": 2, "falling": 2, "bent": 3}
    assert (found["why"] == "").all()


def test_curves_are_cut_to_the_range_that_all_have():
    found = areas(
        curve("long", (0.0, 1.0), (0.5, 0.5), (1.0, 0.0)),
        curve("short", (0.4, 0.2), (0.8, 0.2)),
        curve("other", (0.2, 0.0), (0.5, 0.9), (0.7, 0.9)),
    )
    assert found[["low", "high"]].drop_duplicates().values.tolist() == [[0.4, 0.7]]
    assert np.isnan(found.loc["long", "area"])
    assert found.loc["long", "why"] == "fewer than two sparsities from 0.4 to 0.7"
    assert found.loc["short", "why"] == "fewer than two sparsities from 0.4 to 0.7"
    assert found.loc["other", "area"] == pytest.approx((0.1 * (0.6 + 0.9) / 2 + 0.2 * 0.9) / 0.3)


def test_a_sparsity_is_the_mean_over_its_seeds():
    found = areas(
        curve("a", (0.498, 0.6), (0.502, 0.8), (0.9, 0.5), (0.9, 0.3)).assign(
            declared_sparsity=[0.5, 0.5, 0.9, 0.9], flags=["", "x y", "y", "z"]
        )
    )
    assert found.loc["a", ["low", "high", "area"]].tolist() == pytest.approx([0.5, 0.9, 0.55])
    assert found.loc["a", "flags"] == "x y z"


def test_measured_sparsities_need_not_be_those_that_were_asked_for():
    found = areas(
        curve("a", (0.5001, 0.6), (0.8999, 0.6)), curve("b", (0.4999, 0.4), (0.9001, 0.4))
    )
    assert found["area"].to_dict() == pytest.approx({"a": 0.6, "b": 0.4})


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([(0.0, 0.9)], "one sparsity alone"),
        ([(0.9, 0.5), (0.9001, 0.4)], "one sparsity alone"),
        ([(0.5, 0.9), (0.7, None), (0.9, 0.4)], "no number at sparsity 0.7"),
        ([(0.1, 0.9), (0.95, None)], "fewer than two sparsities from 0.5 to 0.9"),
    ],
)
def test_a_family_without_an_area_says_why_and_leaves_the_range_as_it_is(points, why):
    found = areas(curve("whole", (0.5, 0.7), (0.9, 0.7)), curve("broken", *points))
    assert found.loc["broken", "why"] == why
    assert np.isnan(found.loc["broken", "area"])
    assert found.loc["whole", ["low", "high", "area"]].tolist() == pytest.approx([0.5, 0.9, 0.7])


def test_of_several_runs_of_a_seed_that_of_most_trust_counts():
    told = {"seed": 1, "started": "2026"}
    official = curve("a", (0.5, 0.9), (0.9, 0.8), trust="official", **told)
    stranger = curve("a", (0.5, 0.1), trust="self-reported", **told)
    assert areas(official, stranger).loc["a", "area"] == pytest.approx(0.85)


def test_one_seed_that_failed_takes_its_sparsity_with_it():
    broken = curve("a", (0.5, 0.7), (0.9, 0.7), (0.9, None))
    assert areas(broken, curve("b", (0.5, 1), (0.9, 1))).loc["a", "why"].endswith("sparsity 0.9")


def test_families_that_share_no_range_have_no_area():
    found = areas(curve("a", (0.1, 1), (0.4, 1)), curve("b", (0.6, 1), (0.9, 1)))
    assert found["why"].unique().tolist() == ["no range of sparsities is shared"]
    assert found["area"].isna().all()


def test_ways_of_pruning_are_families_of_their_own():
    table = [curve("a", (0.5, h), (0.9, h), moment=m) for m, h in (("before", 0.4), ("after", 0.8))]
    found = areas(*table).set_index("moment")
    assert found["area"].to_dict() == pytest.approx({"before": 0.4, "after": 0.8})


def test_of_no_runs_there_is_no_area():
    assert area(curve("a"), "accuracy").empty
    with pytest.raises(BenchError, match="area: got 'sparsity', expected one of"):
        area(curve("a"), "sparsity")


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_an_area_lies_between_the_lowest_and_the_highest_of_its_curve(data):
    heights = data.draw(st.lists(st.floats(0, 1), min_size=3, max_size=6))
    places = np.linspace(0.5, 0.95, len(heights))
    table = curve("a", *zip(places, heights, strict=True))
    order = data.draw(st.permutations(range(len(table))))
    found = area(table.iloc[order], "accuracy")["area"].item()
    assert min(heights) - 1e-12 <= found <= max(heights) + 1e-12


def test_areas_of_stored_runs_and_of_their_ratios(tmp_path):
    grid = itertools.product((1, 2), ((0.5, 0.8), (0.9, 0.4)))
    runs = [some_run(seed=seed, accuracy=1.0 / seed) for seed in (1, 2)]
    runs += [
        some_run(pruner="snip", sparsity=s, seed=seed, accuracy=a / seed) for seed, (s, a) in grid
    ]
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        for run in runs:
            assert save_run(store, run)
        table = summary(run_frame(store))
    ratios = relative(table)
    assert [*ratios.columns[: len(CURVE)]] == CURVE
    assert ratios.columns[len(CURVE)] == "declared_sparsity"
    assert set(GROUP) < set(CURVE)
    for frame, expected in ((table, 0.45), (ratios, 0.6)):
        found = area(frame, "accuracy").set_index("pruner")
        assert found.loc["snip", "area"] == pytest.approx(expected)
        assert found.loc["dense", "why"] == "one sparsity alone"
