"""Flows, ensembles and Bayesian networks as a visitor meets them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from bench.metric_meanings import QUANTILES
from bench.protocol import PROTOCOL, PROTOCOLS
from bench.records import Run, Score
from leaderboard.source import opened
from leaderboard.views.likelihood import histograms
from tests.factories import fill, some_run, some_scores
from tests.leaderboard.visits import APP, HOSTILE, charts, settled

EVERY_TAB = (
    *("Board", "Curves", "Pareto", "Corruptions", "Detectors", "Efficiency", "Likelihood"),
    *("Weights", "Submission", "Compare"),
)


def visit(tab: str, **choices) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in {"tab": tab, **choices}.items():
        page.session_state[name] = value
    return settled(page.run())


def likelihood(name: str, metric: str, value: float) -> Score:
    return Score(task="likelihood", set=name, metric=metric, value=value, n=100)


def flow(sparsity: float, area: float, **who) -> Run:
    """A flow that gives digits densities from -110 to -100 nats, patches from -120 to -110."""
    scores = [
        likelihood(name, metric, end + 10 * share)
        for name, end in (("digits", -110), ("patches", -120))
        for metric, share in QUANTILES.items()
    ]
    scores += [
        likelihood("digits", "bits_per_dim", 2.5 + sparsity),
        likelihood("patches", "bits_per_dim", 3.5),
        likelihood("patches", "auroc", area),
    ]
    pruner = "early-crop" if sparsity else "dense"
    run = some_run(pruner=pruner, sparsity=sparsity, protocol=PROTOCOLS["flows"], scores=scores)
    facts = {"kind": "flow", "architecture": "glow-tiny", **who}
    return replace(run, submission=replace(run.submission, **facts))


def cost(**values: float) -> list[Score]:
    return [Score(task="cost", set="digits", metric=m, value=v, n=1) for m, v in values.items()]


def _groups(url: str) -> list[str]:
    return list(opened((url,)).groups())


def of_kind(kind: str, pruner: str, sparsity: float, **values: float) -> Run:
    run = some_run(pruner=pruner, sparsity=sparsity, scores=[*some_scores(0.9), *cost(**values)])
    return replace(run, submission=replace(run.submission, kind=kind, slug=f"{kind}-{pruner}"))


def test_flows_are_drawn_from_the_densest_with_their_bits_and_areas(url):
    fill(url, flow(0.9, 0.8), flow(0.0, 0.3), flow(0.5, 0.6))
    page = visit("Likelihood")
    assert len(charts(page)) == 3
    table = page.dataframe[0].value
    assert table["sparsity"].tolist() == [0.0, 0.5, 0.9]
    assert table["bits per dimension"].tolist() == [2.5, 3.0, 3.4]
    assert table["AUROC patches"].tolist() == [0.3, 0.6, 0.8]


def test_flows_without_a_density_are_named_without_a_chart(url):
    run = flow(0.5, 0.6)
    failed = [
        replace(s, value=None, reason="failed", n=0) if s.task == "likelihood" else s
        for s in run.scores
    ]
    fill(url, replace(run, scores=tuple(failed)))
    page = visit("Likelihood")
    assert len(charts(page)) == 0
    assert ["None of these flows has a log-density" in line.value for line in page.info] == [True]
    assert page.dataframe[0].value["sparsity"].tolist() == [0.5]


def test_a_bar_is_a_twentieth_of_the_images_and_all_have_the_area_one():
    run = flow(0.5, 0.6)
    rows = [{"run_id": "a", "set": s.set, "metric": s.metric, "value": s.value} for s in run.scores]
    found = histograms(pd.DataFrame(rows))
    assert found.groupby("set").size().tolist() == [20, 20]
    area = found["height"] * (found["high"] - found["low"])
    assert area.groupby(found["set"]).sum().tolist() == pytest.approx([1, 1])
    digits = found[found["set"] == "digits"]
    np.testing.assert_allclose(digits["height"], 0.1)
    assert (digits["low"].min(), digits["high"].max()) == (-110, -100)


def test_without_flows_the_tab_says_where_they_are(url):
    fill(url, some_run())
    page = visit("Likelihood")
    assert ["--arch glow-small" in line.value for line in page.info] == [True]


def test_beside_classifiers_the_tab_leads_to_the_flows(url):
    fill(url, some_run(), flow(0.5, 0.6))
    page = visit("Likelihood", group=next(name for name in _groups(url) if "standard" in name))
    (link,) = page.main.get("link_button")
    assert "flows" in link.proto.label
    assert link.proto.url.startswith("?tab=Likelihood&group=")


@pytest.mark.parametrize("tab", EVERY_TAB)
def test_every_tab_takes_a_comparison_of_flows(url, tab):
    fill(url, flow(0.0, 0.3), flow(0.9, 0.8))
    page = visit(tab)
    assert page.dataframe or page.info


@pytest.mark.parametrize(
    ("tab", "choice"),
    [("Curves", {"curve": "each outlier set: AUROC"}), ("Corruptions", {"measure": "AUROC"})],
)
def test_what_was_chosen_for_classifiers_does_not_stand_in_the_way_of_flows(url, tab, choice):
    fill(url, some_run(), flow(0.0, 0.3), flow(0.9, 0.8))
    page = visit(tab, group=next(name for name in _groups(url) if "flows" in name), **choice)
    assert page.dataframe or page.info


@pytest.mark.parametrize("tab", EVERY_TAB)
def test_every_tab_takes_ensembles_beside_single_networks(url, tab):
    fill(
        url,
        some_run(),
        of_kind("ensemble", "cropit-s", 0.8),
        of_kind("bayesian", "snr-s", 0.5),
    )
    page = visit(tab)
    assert page.dataframe or page.info


def test_flows_rank_by_the_area_of_their_likelihood(url):
    fill(url, flow(0.0, 0.3), flow(0.9, 0.8))
    page = visit("Board")
    assert page.selectbox(key="by").value == "likelihood_auroc"
    assert page.dataframe[0].value["likelihood_auroc"].tolist() == [0.8, 0.3]


def test_a_group_is_ranked_by_what_it_has_whatever_another_was_ranked_by(url):
    fill(url, some_run(), some_run(seed=2), flow(0.0, 0.3), flow(0.9, 0.8))
    page = visit("Board", by="shift")
    assert page.selectbox(key="by").value == "shift"
    flows = next(name for name in _groups(url) if "flows" in name)
    page.selectbox(key="group").set_value(flows).run()
    assert page.selectbox(key="by").value == "likelihood_auroc"
    assert page.dataframe[0].value["rank"].tolist() == [1, 2]
    assert "shift" not in page.selectbox(key="by").options
    asked = [line.value for line in page.main.text]
    assert asked == ["The link asks for 'shift', which is not here; something else is shown."]


def test_costs_are_ratios_to_the_dense_network_of_the_architecture(url):
    dense = of_kind("classifier", "dense", 0.0, peak_memory_bytes=100, macs_dense=1000)
    five = of_kind("ensemble", "cropit-s", 0.8, peak_memory_bytes=42, macs_dense=3800)
    fill(url, dense, five, some_run(pruner="crop", sparsity=0.5, protocol=PROTOCOL))
    table = visit("Efficiency").dataframe[0].value.set_index("slug")
    assert table.index[0] == "ensemble-cropit-s"
    assert table.loc["ensemble-cropit-s", "memory ×"] == pytest.approx(0.42)
    assert table.loc["ensemble-cropit-s", "MACs ×"] == pytest.approx(3.8)
    assert table.loc["classifier-dense", "memory ×"] == 1


def test_many_dense_networks_of_one_architecture_leave_room_for_those_of_others(url, monkeypatch):
    monkeypatch.setattr("leaderboard.tabs.efficiency.ROWS", 2)
    lenets = [some_run(seed=seed, accuracy=0.5) for seed in range(3)]
    conv = [
        of_kind("classifier", "dense", 0.0, peak_memory_bytes=100),
        of_kind("classifier", "crop", 0.5, peak_memory_bytes=50),
    ]
    conv = [replace(run, submission=replace(run.submission, architecture="conv6")) for run in conv]
    fill(url, *lenets, *conv)
    table = visit("Efficiency").dataframe[0].value.set_index("slug")
    assert table["memory ×"].to_dict() == {"classifier-dense": 1.0, "classifier-crop": 0.5}


def test_costs_of_a_flow_are_ratios_to_the_dense_flow(url):
    flows = [
        replace(run, scores=(*run.scores, *cost(macs_sparse=macs)))
        for run, macs in ((flow(0.0, 0.3), 1000), (flow(0.9, 0.8), 100))
    ]
    fill(url, *flows)
    table = visit("Efficiency").dataframe[0].value.set_index("sparsity")
    assert table["sparse MACs ×"].to_dict() == {0.0: 1.0, 0.9: pytest.approx(0.1)}


def test_hostile_words_of_flows_are_no_markup(url):
    fill(url, flow(0.0, 0.3, slug=HOSTILE, architecture=HOSTILE), flow(0.9, 0.8, pruner=HOSTILE))
    for tab in ("Likelihood", "Efficiency"):
        page = visit(tab)
        written = [*page.main.markdown, *page.main.caption, *page.main.info]
        assert not any("onerror" in element.value for element in written)


def test_a_comparison_names_what_only_one_of_the_runs_has(url):
    lacking = of_kind("classifier", "snip", 0.5)
    kept = tuple(score for score in lacking.scores if score.metric != "brier")
    more = of_kind("ensemble", "imp", 0.5, macs_sparse=9)
    fill(url, of_kind("classifier", "dense", 0), replace(lacking, scores=kept), more)
    page = visit("Compare")
    names = page.multiselect(key="compared").options
    first, *others = (next(n for n in names if p in n) for p in ("dense", "snip", "imp"))
    page.multiselect(key="compared").set_value([first, *others])
    said = [line.value for line in settled(page.run()).text]
    assert f"{others[0]} has no Brier: not run." in said
    assert f"{first} has no sparse MACs: not run." in said
    assert not any(line.startswith(f"{others[1]} has no") for line in said)
