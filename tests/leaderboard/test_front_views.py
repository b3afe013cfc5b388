"""Charts and tables of the front, without a page around them."""

import json

import numpy as np
import pandas as pd
import pytest

from bench.pareto import CURVE
from leaderboard.views.compared import compared, measured, titled
from leaderboard.views.pareto import DRAWN, area_table, described, drawn, front_chart, standing
from leaderboard.views.weights import first_of

TWO = ["sparsity", "accuracy"]


def table_of(points, **fields) -> pd.DataFrame:
    frame = pd.DataFrame(points, columns=["sparsity", "accuracy"], dtype=float)
    frame["name"] = [f"run-{i}" for i in range(len(frame))]
    return frame.assign(**({"pruner": "snip", "flags": ""} | fields))


def test_of_many_points_the_whole_front_is_drawn_and_the_others_thinned():
    random = np.random.default_rng(0)
    cloud = random.random((9000, 2)) / 3
    arc = np.linspace(0, np.pi / 2, 300)
    table = standing(table_of([*np.column_stack([np.sin(arc), np.cos(arc)]), *cloud]), TWO)
    shown = drawn(table)
    assert len(shown) == DRAWN
    assert (shown["standing"] == "front").sum() == (table["standing"] == "front").sum() == 300
    assert shown["name"].is_unique
    others = shown.loc[shown["standing"] == "dominated", "sparsity"]
    assert others.quantile(0.5) == pytest.approx(1 / 6, abs=0.01)


def test_a_front_longer_than_what_is_drawn_is_drawn_whole():
    across = np.linspace(0, 1, 1500)
    shown = drawn(standing(table_of([*zip(across, 1 - across, strict=True), (0, 0)]), TWO))
    assert len(shown) == 1500


def test_few_points_are_all_drawn_but_those_that_lack_a_number():
    table = standing(table_of([(0.5, 0.5), (0.4, 0.4), (0.9, None)]), TWO)
    assert drawn(table)["name"].tolist() == ["run-0", "run-1"]
    assert described(table, TWO) == (
        "sparsity ↑ against accuracy ↑: 1 on the front (run-0), 1 dominated."
    )


@pytest.mark.parametrize(("across", "steps"), [("sparsity", "step-before"), ("ece", "step-after")])
def test_the_line_goes_round_the_corner_that_nobody_reaches(across, steps):
    table = table_of([(0.5, 0.5), (0.4, 0.6)]).rename(columns={"sparsity": across})
    spec = front_chart(standing(table, [across, "accuracy"]), [across, "accuracy"]).to_dict()
    assert spec["layer"][0]["mark"]["interpolate"] == steps


def test_flagged_points_are_hollow_and_dominators_in_the_tooltip():
    table = standing(table_of([(0.5, 0.5), (0.4, 0.4)], flags=["masked-gradients", ""]), TWO)
    plain, flagged = front_chart(table, TWO).to_dict()["layer"][1:]
    assert (plain["mark"]["filled"], flagged["mark"]["filled"]) == (True, False)
    assert "flags" in json.dumps(flagged["transform"])
    fields = [tip["field"] for tip in plain["encoding"]["tooltip"]]
    assert fields == ["name", *TWO, "standing", "dominated by", "flags"]


def test_the_legend_takes_no_room_from_the_points():
    pruners = [f"pruner-{number}" for number in range(40)]
    few, many, third = (
        front_chart(
            standing(table_of([(0.5, 0.5)] * 40, pruner=names, ece=0.1), axes), axes
        ).to_dict()
        for names, axes in (("snip", TWO), (pruners, TWO), (pruners, [*TWO, "ece"]))
    )
    assert [few["height"], many["height"], third["height"]] == [375, 660, 390]


def test_areas_are_best_first_with_what_tells_families_apart():
    heights = {"before": (0.4, 0.2), "after": (0.2, 0.1)}
    rows = rows_of(*"abcde", moment=["before", "before", "after", "after", "early"], flags="")
    rows["sparsity"] = rows["declared_sparsity"] = [0.5, 0.9, 0.5, 0.9, 0.5]
    rows["ece"] = [*heights["before"], *heights["after"], 0.9]
    table, low, high = area_table(compared(rows), "ece")
    assert list(table) == ["pruner", "moment", "area", "sparsities", "why"]
    assert table["moment"].tolist() == ["after", "before", "early"]
    assert table["area"].tolist()[:2] == pytest.approx([0.15, 0.3])
    assert (low, high) == (0.5, 0.9)
    assert table.attrs == {}


def rows_of(*slugs: str, **fields) -> pd.DataFrame:
    given = dict.fromkeys([*CURVE, "declared_sparsity"], None) | {"slug": list(slugs)}
    given |= {"seed": 1, "trust": "ci"} | fields
    return pd.DataFrame(given, index=[f"{i}{'0' * 15}" for i in range(len(slugs))])


def test_names_are_as_long_as_it_takes_to_tell_rows_apart():
    rows = rows_of("a", "b", "b", "c", "c", seed=[1, 1, 2, 1, 1])
    names = compared(rows)["name"].tolist()
    assert names == ["a", "b · seed 1", "b · seed 2", "c · 30000000", "c · 40000000"]
    rows = rows_of("a", "a", "a", seed=[1, 1, None], scope=["local", "global", "global"])
    assert compared(rows)["name"].tolist() == [
        "a · seed 1 · scope local",
        "a · seed 1 · scope global",
        "a · seed none",
    ]


def test_a_pruner_that_is_not_declared_has_a_word():
    assert compared(rows_of("a"))["pruner"].tolist() == ["not declared"]


def test_an_arrow_shows_the_better_end():
    assert [titled(axis) for axis in ("sparsity", "accuracy", "brier")] == [
        *("sparsity ↑", "accuracy ↑", "Brier ↓")
    ]
    assert measured(table_of([(0.5, None)]), TWO) == ["sparsity"]


@pytest.mark.parametrize(
    ("share", "sentence"),
    [
        ([0.43, 0.57], "run-1 is first for 57 % of all weightings of 2 axes."),
        ([1, 0], "run-0 is first for every weighting of 2 axes."),
        ([0.5, 0.5], "run-0 and 1 more are each first for 50 % of all weightings of 2 axes."),
    ],
)
def test_who_is_first_is_a_sentence(share, sentence):
    firsts = pd.DataFrame({"share": share})
    assert first_of(table_of([(0, 0), (1, 1)]), firsts, TWO) == sentence
