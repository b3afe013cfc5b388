"""The tabs Pareto and Weights as a visitor meets them."""

import json
import re
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from bench.records import Run, Score
from tests.factories import fill, some_run, some_scores
from tests.leaderboard.visits import HOSTILE, at, charts, settled


@pytest.fixture
def visit(url):
    """The page of a store of runs, at an address."""

    def visit(*runs: Run, **address: str) -> AppTest:
        fill(url, *runs)
        return at(**address)

    return visit


def snip(sparsity: float, accuracy: float, seed: int = 1, pruner: str = "snip") -> Run:
    return some_run(pruner=pruner, sparsity=sparsity, accuracy=accuracy, seed=seed)


def tables(page: AppTest) -> list:
    return [frame.value for frame in page.dataframe]


def infos(page: AppTest) -> list[str]:
    return [line.value for line in page.info]


def without(run: Run, task: str) -> Run:
    return replace(run, scores=tuple(score for score in run.scores if score.task != task))


CURVES = [
    snip(sparsity, accuracy + 0.02 * seed, seed, pruner)
    for seed in (1, 2, 3)
    for pruner, points in {
        "snip": [(0.5, 0.8), (0.9, 0.6)],
        "crop": [(0.5, 0.74), (0.9, 0.7)],
    }.items()
    for sparsity, accuracy in points
]
DENSE = [some_run(seed=seed, accuracy=0.9) for seed in (1, 2, 3)]


# Pareto


def test_the_front_and_who_dominates_the_others(visit):
    page = visit(snip(0.5, 0.8), snip(0.9, 0.6), snip(0.7, 0.5), tab="Pareto")
    found = tables(page)[0]
    assert found["name"].tolist() == ["snip-0.9", "snip-0.5", "snip-0.7"]
    assert found["standing"].tolist() == ["front", "front", "dominated"]
    assert found["dominated by"].tolist() == ["", "", "snip-0.9"]
    assert found["fgsm_linf_worst"].tolist() == [0.3, 0.4, 0.25]
    line = charts(page)[0]["layer"][0]
    assert (line["mark"]["type"], line["mark"]["interpolate"]) == ("line", "step-before")


def test_the_axes_are_chosen_by_the_address(visit):
    page = visit(*CURVES[:4], tab="Pareto", px="Brier", py="accuracy", pz="sparsity")
    assert list(tables(page)[0])[4:7] == ["brier", "accuracy", "sparsity"]
    layers = charts(page)[0]["layer"]
    assert [layer["mark"]["type"] for layer in layers] == ["point"] * 3
    assert layers[0]["encoding"]["color"]["scale"]["scheme"] == "viridis"
    assert [box.value for box in page.main.selectbox] == ["brier", "accuracy", "sparsity"]


def test_several_seeds_are_runs_of_their_own_and_one_area(visit):
    page = visit(*CURVES, *DENSE, tab="Pareto", py="accuracy")
    found, areas = tables(page)
    assert len(found) == found["name"].nunique() == 15
    assert {"snip-0.9 · seed 1", "dense · seed 3"} <= set(found["name"])
    assert areas["pruner"].tolist() == ["crop", "snip", "dense"]
    assert areas["area"].tolist()[:2] == pytest.approx([0.76, 0.74])
    assert areas["why"].tolist() == ["", "", "one sparsity alone"]


def test_relative_to_dense_ways_of_pruning_stand_against_each_other(visit):
    page = visit(*CURVES, *DENSE, tab="Pareto", py="accuracy", relative="true")
    found, areas = tables(page)
    assert set(found["name"]) == {"snip 0.5", "snip 0.9", "crop 0.5", "crop 0.9", "dense"}
    crop = areas.set_index("pruner").loc["crop", "area"]
    assert crop == pytest.approx(0.76 / 0.9)
    filtered = visit(tab="Pareto", py="accuracy", relative="true", pruner="crop")
    assert set(tables(filtered)[0]["name"]) == {"crop 0.5", "crop 0.9"}


def test_relative_without_declarations_of_how_it_was_pruned(visit):
    fields = dict.fromkeys(("moment", "scope", "structure", "declared_sparsity"))
    runs = [replace(r, submission=replace(r.submission, **fields)) for r in (*CURVES, *DENSE)]
    page = visit(*runs, tab="Pareto", relative="true")
    assert sorted(tables(page)[0]["name"]) == [
        "crop 0.5",
        "crop 0.9",
        "dense",
        "snip 0.5",
        "snip 0.9",
    ]


def test_one_run_is_the_front_and_has_no_area(visit):
    page = visit(snip(0.9, 0.6), tab="Pareto")
    assert tables(page)[0]["standing"].tolist() == ["front"]
    assert tables(page)[1]["why"].tolist() == ["one sparsity alone"]
    assert ["two sparsities or more" in text for text in infos(page)] == [True]


def test_a_run_that_lacks_a_number_is_listed_and_not_drawn(visit):
    broken = without(snip(0.95, 0.9, pruner="crop"), "adversarial")
    page = visit(snip(0.9, 0.6), broken, tab="Pareto")
    found = tables(page)[0].set_index("name")
    assert found.loc["crop-0.95", "standing"] == "a number is missing"
    assert found.loc["snip-0.9", "standing"] == "front"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"px": "accuracy", "py": "accuracy"}, "Choose axes that differ"),
        ({"pz": "sparsity"}, "Choose axes that differ"),
        ({"relative": "true"}, "dense run of its seed"),
        ({"px": "accuracy", "py": "sparsity"}, "other than the sparsity"),
    ],
)
def test_where_there_is_nothing_the_page_says_what_to_do(visit, address, said):
    page = visit(snip(0.9, 0.6), tab="Pareto", **address)
    assert [said in text for text in infos(page)] == [True]


def test_axes_that_no_run_here_has_at_once(visit):
    one = without(snip(0.9, 0.6), "adversarial")
    page = visit(one, without(snip(0.5, 0.6), "clean"), tab="Pareto", px="accuracy")
    assert "No run here has all of these numbers" in infos(page)[0]
    nothing = some_run(pruner="crop", scores=[])
    alone = replace(nothing, suite="mnist")
    page = visit(alone, tab="Pareto", group="mnist · standard 1")
    assert "A front needs two numbers" in infos(page)[0]


# Weights


def test_the_ranking_follows_the_weights_of_the_address(visit):
    runs = snip(0.5, 0.8), snip(0.9, 0.6)
    none = dict.fromkeys(("w_fgsm", "w_shift", "w_outliers"), "0")
    page = visit(*runs, tab="Weights", **none)
    table = tables(page)[0]
    assert table["total"].tolist() == [0.5, 0.5]
    assert table["rank"].tolist() == [1, 1]
    assert table["first for"].tolist() == [50, 50]
    assert [line.value for line in page.main.text] == [
        "snip-0.5 and 1 more are each first for 50 % of all weightings of 2 axes."
    ]
    page = visit(tab="Weights", **none, w_accuracy="7", w_sparsity="8")
    assert tables(page)[0]["name"].tolist() == ["snip-0.9", "snip-0.5"]
    assert tables(page)[0]["total"].tolist() == pytest.approx([8 / 15, 7 / 15])
    rows = charts(page)[0]["encoding"]["color"]["scale"]["domain"]
    assert rows == ["accuracy ↑", "sparsity ↑"]


def test_a_slider_stands_for_each_number_that_the_group_has(visit):
    page = visit(*CURVES, tab="Weights")
    labels = [slider.label for slider in page.main.slider]
    assert labels == [
        *("accuracy ↑", "FGSM L∞, worst loss ↑", "shift ↑", "AUROC outliers, MSP ↑", "Brier ↓"),
        *("log10 Lipschitz ↓", "bytes ↓", "sparsity ↑"),
    ]
    page = settled(page.main.slider[0].set_value(0).run())
    assert "accuracy" not in tables(page)[0]


def test_the_detector_that_most_runs_have_is_weighed(visit):
    one = {"detector": "sensnorm", "batch_size": 1, "metric": "auroc", "n": 99}
    score = Score(task="outliers", set="patches", value=0.9, **one)
    runs = [some_run(pruner=p, scores=[*some_scores(), score]) for p in ("snip", "crop")]
    page = visit(*runs, tab="Weights")
    assert page.main.slider[3].label == "AUROC outliers, SensNorm ↑"
    page = visit(*DENSE, tab="Weights")
    assert page.main.slider[3].label == "AUROC outliers, MSP ↑"


def test_one_run_is_first_for_every_weighting(visit):
    page = visit(snip(0.9, 0.6), tab="Weights")
    assert page.main.text[0].value == "snip-0.9 is first for every weighting of 5 axes."
    assert "decides nothing" in page.main.caption[1].value
    assert tables(page)[0]["first for"].tolist() == [100]


def test_runs_that_lack_a_number_that_counts_are_counted(visit):
    page = visit(*CURVES[:4], without(DENSE[0], "shift"), tab="Weights")
    assert "1 of 5 lack" in page.main.caption[1].value
    assert len(tables(page)[0]) == 4


def test_relative_to_dense_ways_of_pruning_are_ranked(visit):
    page = visit(*CURVES, *DENSE, tab="Weights", relative="true")
    table = tables(page)[0]
    assert set(table["name"]) == {"snip 0.5", "snip 0.9", "crop 0.5", "crop 0.9", "dense"}
    assert table["first for"].sum() == pytest.approx(100)
    assert "ratios to the dense run" in page.main.caption[1].value


def test_no_more_than_fifty_are_listed_and_twenty_drawn(visit):
    runs = [snip(0.5, 0.3 + seed / 200, seed) for seed in range(60)]
    page = visit(*runs, tab="Weights")
    assert len(tables(page)[0]) == 50
    assert "the best 50 of 60, the best 20 as bars" in page.main.caption[2].value


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (dict.fromkeys(("w_accuracy", "w_fgsm", "w_shift", "w_outliers", "w_sparsity"), "0"), "0"),
        ({"relative": "true"}, "dense run of its seed"),
    ],
)
def test_where_nothing_counts_the_page_says_what_to_do(visit, address, said):
    page = visit(snip(0.9, 0.6), tab="Weights", **address)
    assert [said in text for text in infos(page)] == [True]
    assert tables(page) == charts(page) == []


def test_numbers_that_no_run_has_at_once(visit):
    page = visit(without(CURVES[0], "clean"), without(CURVES[1], "shift"), tab="Weights")
    assert "set those that are missing to 0" in infos(page)[0]


@pytest.mark.parametrize("tab", ["Pareto", "Weights"])
@pytest.mark.parametrize("relative", ["false", "true"])
def test_hostile_words_are_data_and_no_markup(visit, tab, relative):
    fields = {"slug": HOSTILE, "pruner": HOSTILE, "recipe": HOSTILE, "architecture": HOSTILE}
    run, dense = snip(0.9, 0.95), some_run(seed=1)
    hostile = replace(run, submission=replace(run.submission, **fields), flags=(HOSTILE,))
    page = visit(hostile, dense, tab=tab, relative=relative)
    assert "onerror" not in re.sub(r'"domain": \[.*?\]', "", json.dumps(charts(page)))
    plain = {"dataframe", "arrow_data_frame", "vega_lite_chart", "arrow_vega_lite_chart", "text"}
    written = [e for e in page.main if e.type not in {"main"} | plain]
    assert "onerror" not in "".join(str(e.proto) for e in written if hasattr(e, "proto"))
