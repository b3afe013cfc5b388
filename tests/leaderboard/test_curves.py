"""Curves: which runs are joined, what their points are, how they are drawn."""

from dataclasses import replace

import pandas as pd
import pytest

from bench.records import Run
from leaderboard.views.curves import extent, key_chart, leftmost, number_format, sparsity_chart
from leaderboard.views.lines import drawable, points, references, with_lines
from leaderboard.views.marks import encoding
from tests.factories import some_run, summary_of

HOSTILE = "<script>alert(1)</script> [**me**](javascript:alert(1))"


def declared(run: Run, **fields) -> Run:
    weights = f"{run.submission.weights_sha256}{fields}".encode().hex()[-64:]
    submission = replace(run.submission, **{"weights_sha256": weights, **fields})
    return replace(run, submission=submission)


def snip(seed: int, accuracy: float, sparsity: float = 0.9, **fields) -> Run:
    return declared(
        some_run(pruner="snip", sparsity=sparsity, seed=seed, accuracy=accuracy), **fields
    )


@pytest.fixture
def table_of(tmp_path):
    return lambda *runs: with_lines(summary_of(tmp_path, *runs))


def values(found: pd.DataFrame) -> list[tuple]:
    return list(found[["line", "value", "low", "high"]].itertuples(index=False, name=None))


def test_a_point_is_the_mean_over_seeds_with_one_deviation_to_each_side(table_of):
    table = table_of(snip(1, 0.5), snip(2, 0.6), snip(3, 0.7))
    assert values(points(table, ["accuracy"], relative=False)) == [
        ("snip", pytest.approx(0.6), pytest.approx(0.5), pytest.approx(0.7))
    ]


def test_a_single_seed_has_no_band(table_of):
    found = points(table_of(snip(1, 0.5)), ["accuracy"], relative=False)
    assert found["value"].tolist() == [0.5]
    assert found[["low", "high"]].isna().all(axis=None)


def test_ratios_are_to_the_dense_run_of_the_same_seed(table_of):
    dense = [some_run(seed=1, accuracy=0.8), some_run(seed=2, accuracy=0.5)]
    found = points(table_of(*dense, snip(1, 0.4), snip(2, 0.4)), ["accuracy"], relative=True)
    row = found[found["line"] == "snip"].iloc[0]
    assert row[["value", "std"]].tolist() == pytest.approx([0.65, 0.3 / 2**0.5])
    assert references(found)["value"].tolist() == [1]


def test_any_numeric_column_has_ratios(table_of):
    table = table_of(some_run(seed=1), snip(1, 0.4))
    table["fog"] = [4.0 if pruner == "dense" else 1.0 for pruner in table["pruner"]]
    found = points(table, ["fog"], relative=True)
    assert dict(zip(found["line"], found["value"], strict=True)) == {"dense": 1, "snip": 0.25}


def test_sparsities_measured_a_little_apart_are_one_point_if_one_is_declared(table_of):
    runs = [snip(1, 0.5, measured_sparsity=0.8999), snip(2, 0.7, measured_sparsity=0.9001)]
    found = points(table_of(*runs), ["accuracy"], relative=False)
    assert found[["sparsity", "value", "seeds"]].values.tolist() == [pytest.approx([0.9, 0.6, 2])]


def test_sparsities_that_none_declares_are_told_apart_as_measured(table_of):
    runs = [
        snip(1, 0.5, declared_sparsity=None, measured_sparsity=share) for share in (0.5, 0.8, 0.9)
    ]
    found = points(table_of(*runs), ["accuracy"], relative=False)
    assert found["sparsity"].tolist() == [0.5, 0.8, 0.9]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"scope": "local"}, "snip · local"),
        ({"moment": "after"}, "snip · after"),
        ({"structure": "structured", "scope": "local"}, "snip · local · structured"),
        ({"scope": None}, "snip · scope not declared"),
    ],
)
def test_another_way_of_pruning_is_another_line_named_by_what_differs(table_of, fields, name):
    table = table_of(snip(1, 0.5), snip(2, 0.5), snip(1, 0.9, **fields))
    found = points(table, ["accuracy"], relative=False)
    assert dict(zip(found["line"], found["value"], strict=True)) == {"snip": 0.5, name: 0.9}


@pytest.mark.parametrize("field", ["architecture", "recipe"])
def test_architectures_and_recipes_are_always_named_where_there_are_several(table_of, field):
    table = table_of(snip(1, 0.5), snip(1, 0.9, **{field: "other"}))
    usual = {"architecture": "lenet5", "recipe": "digits-20"}[field]
    assert set(table["line"]) == {f"snip · {usual}", "snip · other"}


def test_lines_whose_names_would_be_the_same_have_names_of_their_own(table_of):
    table = table_of(snip(1, 0.5), snip(2, 0.5), snip(1, 0.6, moment="x"), snip(1, 0.7, scope="x"))
    assert sorted(set(table["line"])) == ["snip", "snip · x", "snip · x · 2"]


def test_a_pruner_that_is_not_declared_has_a_line(table_of):
    assert table_of(snip(1, 0.5, pruner=None))["line"].tolist() == ["not declared"]


def test_of_too_many_lines_those_of_most_points_are_drawn(table_of):
    runs = [snip(1, 0.5, share) for share in (0.5, 0.9)]
    runs += [some_run(pruner=name, sparsity=0.9) for name in ("crop", "imp", "dense")]
    found = points(table_of(*runs), ["accuracy"], relative=False)
    assert set(drawable(found, 2, 99)["line"]) == {"snip", "crop"}
    assert set(drawable(found, 9, 3)["line"]) == {"snip", "crop"}
    assert len(drawable(found, 9, 1)) == 1


# drawing


def chart_of(table: pd.DataFrame, column: str = "accuracy") -> dict:
    found = points(table, [column], relative=False)
    marks = encoding(found["line"])
    return sparsity_chart(drawable(found, 9, 99), references(found), marks, column).to_dict()


def marks_of(spec: dict) -> list[str]:
    return [layer["mark"]["type"] for layer in spec["layer"]]


def test_dense_is_a_named_dashed_line_below_bands_lines_and_points(table_of):
    spec = chart_of(table_of(some_run(accuracy=0.8), snip(1, 0.5)))
    assert marks_of(spec) == ["rule", "text", "area", "rule", "line", "point", "point"]
    assert spec["layer"][0]["mark"]["strokeDash"] == [6, 4]
    rows = spec["datasets"][spec["layer"][0]["data"]["name"]]
    assert [(row["name"], row["value"]) for row in rows] == [("dense", 0.8)]


def test_flagged_points_are_hollow(table_of):
    flagged = replace(snip(1, 0.5), flags=("saturated",))
    whole, hollow = chart_of(table_of(flagged, snip(1, 0.6, 0.5)))["layer"][-2:]
    assert (whole["mark"]["filled"], hollow["mark"]["filled"]) == (True, False)
    assert hollow["transform"] == [{"filter": "datum.flagged"}]
    assert whole["transform"] == [{"filter": "!datum.flagged"}]


def test_the_data_of_a_chart_are_the_points_that_are_drawn(table_of):
    spec = chart_of(table_of(*(snip(seed, 0.5) for seed in range(30))))
    assert [len(rows) for rows in spec["datasets"].values() if rows] == [1]


def test_hostile_words_are_data_and_names_of_marks_and_nothing_else(table_of):
    spec = chart_of(table_of(snip(1, 0.5, pruner=HOSTILE)))
    rows = [row for data in spec.pop("datasets").values() for row in data]
    assert {row["pruner"] for row in rows} == {HOSTILE}
    for layer in spec["layer"]:
        for name in ("color", "shape", "strokeDash"):
            layer["encoding"].get(name, {"scale": {}})["scale"].pop("domain", None)
    assert "script" not in str(spec)


def test_the_key_has_every_name_that_is_drawn():
    spec = key_chart(encoding(["snip", "imp"]).only(["snip", "imp"])).to_dict()
    rows = next(iter(spec["datasets"].values()))
    assert [row["line"] for row in rows] == ["snip", "imp"]


@pytest.mark.parametrize(
    ("numbers", "ends"),
    [([0.5, 0.7], (0.488, 0.712)), ([0.9, 0.9], (0.8955, 0.9045)), ([0.0], (-5e-6, 5e-6))],
)
def test_the_vertical_axis_is_a_little_wider_than_the_numbers_and_no_sliver(numbers, ends):
    nothing = [None] * len(numbers)
    frame = pd.DataFrame({"value": numbers, "low": nothing, "high": nothing}, dtype=float)
    assert extent(frame) == pytest.approx(ends)


def test_the_vertical_axis_without_numbers_is_a_unit():
    assert extent(pd.DataFrame({"value": [], "low": [], "high": []}, dtype=float)) == (0, 1)


@pytest.mark.parametrize(
    ("low", "high", "form"),
    [(0.5, 0.9, ".2f"), (0.8955, 0.9045, ".3f"), (0, 20, ".0f"), (0, 250_000, ".3~s")],
)
def test_ticks_have_the_digits_that_tell_them_apart(low, high, form):
    assert number_format(low, high) == form


@pytest.mark.parametrize(("shares", "left"), [([0.5, 0.9], 0.4), ([0.9], 0.8), ([0.02], 0)])
def test_the_horizontal_axis_begins_left_of_the_sparsest(shares, left):
    assert leftmost(pd.Series(shares)) == pytest.approx(left)
