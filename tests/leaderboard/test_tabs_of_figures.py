"""Curves, corruptions and detectors as a visitor meets them."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from bench.records import Run, Score
from tests.factories import fill, some_run, some_scores
from tests.leaderboard.visits import APP, HOSTILE, charts, settled

TABS = ("Curves", "Corruptions", "Detectors")


def visit(tab: str, **choices) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in {"tab": tab, **choices}.items():
        page.session_state[name] = value
    return settled(page.run())


def of_detector(detector: str, value: float, **conditions) -> Score:
    given = {"task": "outliers", "set": "patches", "metric": "auroc", "batch_size": 1, **conditions}
    return Score(value=value, n=9, detector=detector, **given)


def two_seeds() -> list[Run]:
    return [
        some_run(pruner=pruner, sparsity=sparsity, seed=seed, accuracy=accuracy + seed / 100)
        for seed in (1, 2)
        for pruner, sparsity, accuracy in (("dense", 0, 0.9), ("snip", 0.9, 0.7))
    ]


@pytest.mark.parametrize("tab", TABS)
def test_an_empty_store_says_what_fills_it(url, tab):
    fill(url)
    page = visit(tab)
    assert len(page.info) == 1
    assert charts(page) == []


@pytest.mark.parametrize("tab", TABS)
def test_a_run_without_scores_says_what_to_do(url, tab):
    fill(url, some_run(scores=[]))
    page = visit(tab)
    assert len(page.info) == 1
    assert "bench" in page.info[0].value or "Choose" in page.info[0].value
    assert charts(page) == []


@pytest.mark.parametrize("tab", TABS)
def test_one_run_is_a_chart_and_the_same_as_a_table(url, tab):
    fill(url, some_run(pruner="snip", sparsity=0.9))
    page = visit(tab)
    assert len(charts(page)) == {"Curves": 2, "Corruptions": 1, "Detectors": 1}[tab]
    assert len(page.dataframe) == 1


@pytest.mark.parametrize("tab", ["Curves", "Corruptions"])
def test_ratios_without_dense_say_what_is_needed(url, tab):
    fill(url, some_run(pruner="snip", sparsity=0.9))
    page = visit(tab, relative=True)
    assert ["dense parent" in line.value for line in page.info] == [True]
    assert charts(page) == []


def test_the_table_below_a_curve_has_means_over_seeds(url):
    fill(url, *two_seeds())
    table = visit("Curves").dataframe[0].value.set_index("line")
    assert table["value"].to_dict() == pytest.approx({"dense": 0.915, "snip": 0.715})
    assert table["std"].to_dict() == pytest.approx(dict.fromkeys(table.index, 0.01 / 2**0.5))


def test_ratios_of_a_curve_are_of_the_same_seed(url):
    fill(url, *two_seeds())
    page = visit("Curves", relative=True)
    table = page.dataframe[0].value.set_index("line")
    assert table.loc["snip", "value"] == pytest.approx((0.71 / 0.91 + 0.72 / 0.92) / 2)
    assert "ratio" in page.main.caption[0].value


def test_dense_is_the_reference_though_it_is_filtered_away(url):
    fill(url, *two_seeds())
    table = visit("Curves", search="snip", relative=True).dataframe[0].value
    assert set(table["line"]) == {"dense", "snip"}


def test_a_filter_leaves_out_points_and_not_lines_alone(url):
    fill(url, *two_seeds(), some_run(pruner="snip", sparsity=0.5, seed=1))
    table = visit("Curves", sparsity=(0.8, 1.0)).dataframe[0].value
    assert table.loc[table["line"] == "snip", "sparsity"].tolist() == [0.9]


def trained(run: Run, recipe: str) -> Run:
    weights = f"{recipe}{run.submission.weights_sha256}".encode().hex()[:64]
    return replace(run, submission=replace(run.submission, recipe=recipe, weights_sha256=weights))


def of_two_recipes() -> list[Run]:
    long = [trained(run, "long") for run in two_seeds()]
    return [*long, *(trained(run, "a short one") for run in two_seeds()[:2])]


@pytest.mark.parametrize("tab", ["Curves", "Corruptions"])
def test_runs_of_one_recipe_are_drawn_first_those_of_most(url, tab):
    fill(url, *of_two_recipes())
    page = visit(tab)
    assert page.selectbox(key="trained").options == ["long", "a short one", "all"]
    alone = page.dataframe[0].value
    assert "short" not in alone.to_csv()
    every = visit(tab, trained="all").dataframe[0].value
    assert len(every) > len(alone)
    assert "short" in every.to_csv()


def test_ratios_of_one_recipe_leave_those_of_the_others_there(url):
    fill(url, *of_two_recipes())
    for recipe in ("long", "a short one"):
        page = visit("Corruptions", relative=True, trained=recipe)
        assert not page.info
        assert len(charts(page)) == 1


@pytest.mark.parametrize("tab", ["Curves", "Corruptions"])
def test_one_recipe_alone_needs_no_choice(url, tab):
    fill(url, *of_two_recipes())
    page = visit(tab, recipe=["long"])
    assert "Recipe" not in [box.label for box in page.selectbox]
    assert "· long" not in page.dataframe[0].value.to_csv()  # no line has to be told by it


@pytest.mark.parametrize(
    ("curve", "count"), [("each attack: accuracy", 5), ("each corruption: accuracy", 18)]
)
def test_a_series_has_a_chart_for_each_of_its_parts(url, curve, count):
    fill(url, *two_seeds())
    page = visit("Curves", curve=curve)
    assert len(charts(page)) == 1 + count
    page = visit("Curves", curve=curve, facet=[page.multiselect(key="facet").options[0]])
    assert len(charts(page)) == 2


def test_a_series_of_a_detector_that_no_run_has_says_so(url):
    fill(url, *two_seeds())
    page = visit("Curves", curve="each outlier set: AUROC", detector="gradnorm")
    assert ["another detector" in line.value for line in page.info] == [True]


def test_corruptions_are_those_of_the_severity(url):
    fill(url, some_run(pruner="snip", sparsity=0.9, accuracy=0.9))
    for severity, value in (("mean", 0.6), ("5", 0.4)):
        table = visit("Corruptions", severity=severity).dataframe[0].value.set_index("row")
        assert table.loc["snip 90 %", "fog"] == pytest.approx(value)


def test_corruptions_relative_to_dense_are_families(url):
    fill(url, *two_seeds())
    table = visit("Corruptions", relative=True, severity="5").dataframe[0].value.set_index("row")
    ratios = (0.21 / 0.41, 0.22 / 0.42)
    assert table.loc["snip 90 %", "fog"] == pytest.approx(sum(ratios) / 2)
    assert table.index.tolist() == ["snip 90 %"]


def test_detectors_are_those_of_the_dense_run_unless_others_are_picked(url):
    scores = [of_detector("msp", 0.7), of_detector("gradnorm", 0.8)]
    others = [of_detector("msp", 0.5), of_detector("gradnorm", 0.6)]
    runs = [some_run(scores=scores), some_run(pruner="snip", sparsity=0.9, scores=others)]
    fill(url, *runs)
    page = visit("Detectors")
    assert page.dataframe[0].value["patches"].tolist() == [0.7, 0.8]
    both = [run.run_id for run in runs]
    page = settled(page.multiselect(key="runs").set_value(both).run())
    assert page.dataframe[0].value["patches"].tolist() == pytest.approx([0.6, 0.7])
    assert "mean over 2 runs" in page.main.caption[0].value


def test_one_detector_says_which_command_makes_more(url):
    fill(url, some_run())
    assert ["--preset detectors" in line.value for line in visit("Detectors").info] == [True]


def test_the_end_that_is_better_is_said_of_each_number(url):
    scores = [of_detector("msp", 0.7), of_detector("msp", 0.3, metric="fpr95")]
    fill(url, some_run(scores=scores))
    for area, end in (("AUROC", "Higher is better"), ("FPR95", "Lower is better")):
        assert end in visit("Detectors", area=area).main.caption[0].value


@pytest.mark.parametrize("tab", TABS)
def test_hostile_words_are_shown_as_words_and_are_no_markup(url, tab):
    fields = {"slug": HOSTILE, "pruner": HOSTILE, "recipe": HOSTILE, "architecture": HOSTILE}
    scores = [*some_scores(), of_detector("gradnorm", 0.5, set=HOSTILE)]
    run = some_run(pruner="snip", sparsity=0.9, scores=scores)
    hostile = replace(run, submission=replace(run.submission, **fields), flags=(HOSTILE,))
    fill(url, hostile, some_run(seed=2), some_run(pruner="crop", sparsity=0.5, seed=2))
    page = visit(tab)
    assert charts(page)
    written = [*page.main.markdown, *page.main.caption, *page.main.info]
    assert not any("onerror" in element.value for element in written)


def test_choices_that_another_series_does_not_have_are_taken_back(url):
    fill(url, *two_seeds())
    page = visit("Curves", curve="each attack: accuracy")
    page = settled(page.multiselect(key="facet").set_value(["fgsm-l2 ε 0.5"]).run())
    assert len(charts(page)) == 2
    page = settled(page.selectbox(key="curve").select("each outlier set: AUROC").run())
    page = settled(page.selectbox(key="detector").select("sensnorm").run())
    page = settled(page.selectbox(key="curve").select("each attack: AUROC").run())
    assert page.selectbox(key="detector").value == "msp"
    page = settled(page.selectbox(key="curve").select("each corruption: accuracy").run())
    assert len(charts(page)) == 19


@pytest.mark.parametrize(
    ("relative", "best"), [(False, 0.42), (True, (0.41 / 0.61 + 0.42 / 0.62) / 2)]
)
def test_a_heat_map_shows_the_best_there_is_room_for(url, monkeypatch, relative, best):
    monkeypatch.setattr("leaderboard.tabs.corruptions.ROWS", 1)
    fill(url, *two_seeds(), some_run(pruner="crop", sparsity=0.9, seed=1, accuracy=0.6))
    page = visit("Corruptions", relative=relative, search="0.9")
    assert page.dataframe[0].value["row"].tolist() == ["snip 90 %"]
    assert page.dataframe[0].value["fog"].tolist() == pytest.approx([best])
    assert any("best 1 by the mean" in line.value for line in page.main.caption)
