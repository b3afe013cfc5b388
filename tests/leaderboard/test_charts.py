import pandas as pd
import pytest

from leaderboard.views.curves import COLOURS, sparsity_chart

TABLE = pd.DataFrame(
    {
        "pruner": ["dense", "dense", "snip", "snip", None, "crop", "crop"],
        "sparsity": [0.0, 0.0, 0.5, 0.9, 0.7, None, 0.9],
        "fgsm_linf": [0.8, 0.6, 0.5, 0.4, 0.3, 0.2, None],
    }
)


def layers(table: pd.DataFrame, column: str = "fgsm_linf") -> dict[str, dict]:
    """The layers by mark, each with its rows."""
    spec = sparsity_chart(table, column).to_dict()
    shared = spec.get("data", {}).get("name")
    return {
        layer["mark"]["type"]: layer
        | {"rows": spec["datasets"].get(layer.get("data", {}).get("name", shared), [])}
        for layer in spec["layer"]
    }


def test_lines_are_sparsity_against_the_number_in_a_colour_and_shape_for_each_pruner():
    encoding = layers(TABLE)["line"]["encoding"]
    axes = {name: (encoding[name]["field"], encoding[name]["type"]) for name in ("x", "y")}
    assert axes == {"x": ("sparsity", "quantitative"), "y": ("fgsm_linf", "quantitative")}
    assert encoding["y"]["title"] == "fgsm_linf"
    assert encoding["color"]["field"] == encoding["shape"]["field"] == "pruner"
    assert encoding["color"]["type"] == encoding["shape"]["type"] == "nominal"
    assert encoding["color"]["scale"]["range"] == COLOURS
    assert [tip["field"] for tip in encoding["tooltip"]] == ["pruner", "sparsity", "fgsm_linf"]


def test_the_vertical_axis_need_not_begin_at_zero():
    assert layers(TABLE)["line"]["encoding"]["y"]["scale"] == {"zero": False}


def test_lines_have_every_pruned_run_with_a_number_and_a_sparsity():
    rows = layers(TABLE)["line"]["rows"]
    points = [(row["pruner"], row["sparsity"], row["fgsm_linf"]) for row in rows]
    assert points == [("snip", 0.5, 0.5), ("snip", 0.9, 0.4), ("not declared", 0.7, 0.3)]


def test_dense_is_a_named_dashed_line_at_the_mean_of_its_runs():
    found = layers(TABLE)
    for mark in ("rule", "text"):
        assert found[mark]["encoding"]["y"]["aggregate"] == "mean"
        assert found[mark]["encoding"]["y"]["field"] == "fgsm_linf"
        assert [row["fgsm_linf"] for row in found[mark]["rows"]] == [0.8, 0.6]
    assert found["rule"]["mark"]["strokeDash"] == [6, 4]
    assert found["text"]["encoding"]["text"] == {"value": "dense"}


@pytest.mark.parametrize("column", ["fgsm_linf", "brier"])
def test_the_chart_shows_the_column_asked_for(column):
    found = layers(TABLE.rename(columns={"fgsm_linf": column}), column)
    assert {layer["encoding"]["y"]["field"] for layer in found.values()} == {column}


def test_a_table_without_numbers_is_a_chart_without_points():
    found = layers(TABLE.assign(fgsm_linf=float("nan")))
    assert [layer["rows"] for layer in found.values()] == [[], [], []]


def test_a_field_of_hostile_words_is_data_and_no_part_of_the_drawing():
    hostile = "<script>alert(1)</script>"
    spec = sparsity_chart(TABLE.assign(pruner=hostile), "fgsm_linf").to_dict()
    rows = [row for data in spec.pop("datasets").values() for row in data]
    assert {row["pruner"] for row in rows} == {hostile}
    assert "script" not in str(spec)


def test_colours_are_told_apart():
    assert len(set(COLOURS)) == len(COLOURS) == 8


def test_drawing_leaves_the_table_as_it_was():
    before = TABLE.copy(deep=True)
    sparsity_chart(TABLE, "fgsm_linf")
    pd.testing.assert_frame_equal(TABLE, before)
