import json
import math
from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import detectors, metrics
from bench.intake.opened import LARGEST_RECORD, unpacked
from bench.plausible import BY_EVIDENCE, RULES, calibration, detection, impossible, protocol_of
from bench.protocol import PROTOCOL
from bench.records import Score, canonical_json, from_json, to_json
from ci.shipped import ROOT
from leaderboard.shipped import shipped_records
from tests.factories import some_run

SHIPPED = [*shipped_records(), *sorted(ROOT.glob("submissions/*/detectors.json"))]


@pytest.fixture
def record(scored):
    """An honest run as it stands in a file."""
    return json.loads(canonical_json(to_json(scored.run)))


def row(record, **conditions):
    """The one score with these conditions."""
    found = [s for s in record["scores"] if all(s[k] == v for k, v in conditions.items())]
    assert len(found) == 1, (conditions, len(found))
    return found[0]


def broken_rules(record):
    """Which rules find something, and what they find."""
    run = from_json(record)
    found = {name: list(rule(run)) for name, rule in RULES.items()}
    return {name: findings for name, findings in found.items() if findings}


def test_an_honest_run_breaks_no_rule(record):
    assert impossible(record) == []
    assert protocol_of(from_json(record)) == PROTOCOL


def test_flags_of_another_protocol_are_not_judged_by_this_one(record):
    record["protocol"]["sha256"] = "0" * 64
    record["submission"]["declared_sparsity"] = 0.9
    del record["trust"]  # as old as that
    assert impossible(record) == []


@pytest.mark.parametrize("number", [-1.0, 1e308])
def test_what_is_out_of_range_ends_the_look(record, number):
    of(record, metric="brier").update(value=number)
    (finding,) = impossible(record)
    assert finding.where == "clean digits brier"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_shipped_run_breaks_a_rule(path):
    assert impossible(json.loads(unpacked(path, LARGEST_RECORD))) == []


def of(record, **conditions):
    wanted = {"attack": None, "corruption": None, "detector": None, **conditions}
    return row(record, **wanted)


def msp(record, metric, size=1):
    about = {"task": "outliers", "set": "patches", "detector": "msp", "batch_size": size}
    return row(record, metric=metric, **about)


def sensnorm(record, metric):
    about = {"task": "outliers", "set": "patches", "detector": "sensnorm", "batch_size": 1}
    return row(record, metric=metric, **about)


def fog(record, metric="accuracy"):
    return row(record, task="shift", corruption="fog", severity=3, metric=metric)


LIES = {
    "the hash of another preset": ("names", lambda r: r["protocol"].update(preset="authors")),
    "a metric of one's own": (
        "names",
        lambda r: r["scores"].append({**of(r, metric="ece"), "metric": "beauty"}),
    ),
    "a flag that follows from nothing": ("flags", lambda r: r["flags"].append("saturated")),
    "a flag that was taken away": (
        "flags",
        lambda r: row(r, task="audit", metric="tied_share").update(value=0.5),
    ),
    "an error above 1": ("ranges", lambda r: of(r, metric="ece").update(value=1.5)),
    "a negative error of the area": (
        "ranges",
        lambda r: sensnorm(r, "auroc").update(stderr=-0.1),
    ),
    "a number of nothing": ("ranges", lambda r: of(r, metric="lip_product_log10").update(n=0)),
    "a score twice": ("rows", lambda r: r["scores"].append(dict(of(r, metric="ece")))),
    "a task left out": (
        "rows",
        lambda r: r.update(scores=[s for s in r["scores"] if s["task"] != "lipschitz"]),
    ),
    "a corruption left out": (
        "rows",
        lambda r: r.update(
            scores=[s for s in r["scores"] if (s["corruption"], s["severity"]) != ("fog", 3)]
        ),
    ),
    "an attack left out": (
        "rows",
        lambda r: r.update(scores=[s for s in r["scores"] if s["epsilon"] != 0.5]),
    ),
    "a batch size left out": (
        "rows",
        lambda r: r.update(
            scores=[s for s in r["scores"] if (s["task"], s["batch_size"]) != ("outliers", 5)]
        ),
    ),
    "more images than the limit": ("sizes", lambda r: r.update(limit=10)),
    "fewer images under attack": (
        "sizes",
        lambda r: row(r, metric="zero_gradient_share", epsilon=0.5).update(n=59, value=0.0),
    ),
    "groups that are missing": (
        "sizes",
        lambda r: row(
            r,
            task="adversarial",
            attack="fgsm-linf",
            detector="msp",
            batch_size=5,
            metric="aupr_id",
        ).update(n=23),
    ),
    "half an image right": (
        "shares",
        lambda r: fog(r).update(value=fog(r)["value"] - 0.5 / 60, stderr=None),
    ),
    "the error of another share": ("shares", lambda r: fog(r).update(stderr=0.01)),
    "an area between two": (
        "shares",
        lambda r: fog(r, "auroc").update(value=fog(r, "auroc")["value"] - 1e-5),
    ),
    "a rate between two": (
        "shares",
        lambda r: msp(r, "fpr95").update(value=msp(r, "fpr95")["value"] + 1e-4),
    ),
    "other zeros of the same gradient": (
        "gradients",
        lambda r: row(r, metric="zero_gradient_share", epsilon=0.5).update(value=7 / 60),
    ),
    "a Brier score below half of the errors": (
        "calibration",
        lambda r: of(r, metric="brier").update(value=of(r, metric="brier_l2")["value"] ** 2 / 2),
    ),
    "a mean distance above the root of the mean square": (
        "calibration",
        lambda r: of(r, metric="brier_l2").update(
            value=math.sqrt(of(r, metric="brier")["value"]) + 1e-4
        ),
    ),
    "half of the answers wrong and the label sure of all": (
        "calibration",
        lambda r: of(r, task="clean", metric="accuracy").update(
            value=0.5, stderr=math.sqrt(0.25 / 60)
        ),
    ),
    "an area below what the rate leaves": (
        "detection",
        lambda r: (sensnorm(r, "fpr95").update(value=0.0), sensnorm(r, "auroc").update(value=0.9)),
    ),
    "an area above what the rate leaves": (
        "detection",
        lambda r: (sensnorm(r, "fpr95").update(value=1.0), sensnorm(r, "auroc").update(value=0.98)),
    ),
    "a lower bound above the upper": (
        "lipschitz",
        lambda r: of(r, metric="lip_lower").update(
            value=10 ** (of(r, metric="lip_upper_log10")["value"] + 0.001)
        ),
    ),
    "more work without zeros than with them": (
        "cost",
        lambda r: of(r, metric="macs_sparse").update(value=of(r, metric="macs_dense")["value"] + 1),
    ),
    "a weight less than the layers have": (
        "cost",
        lambda r: of(r, metric="nonzero").update(value=of(r, metric="nonzero")["value"] - 1),
    ),
    "half a byte": (
        "cost",
        lambda r: of(r, metric="size_bytes").update(
            value=of(r, metric="size_bytes")["value"] + 0.5
        ),
    ),
    "a sparsity that was not measured": (
        "cost",
        lambda r: r["submission"].update(measured_sparsity=0.9),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_breaks_the_rule_against_it_and_no_other(record, lie):
    rule, tell = LIES[lie]
    tell(record)
    broken = broken_rules(record)
    assert set(broken) == {rule}, broken
    assert impossible(record)


def test_every_rule_has_a_lie_that_breaks_it():
    assert {rule for rule, _ in LIES.values()} == set(RULES)


def test_the_detectors_that_see_every_image_are_those_of_the_table():
    assert set(BY_EVIDENCE) == set(detectors.BY_EVIDENCE)


def test_an_id_that_is_not_that_of_the_content_is_found_unless_it_is_older_than_trust(record):
    (finding,) = impossible({**record, "run_id": "0" * 16})
    assert finding.where == "run_id"
    older = {key: value for key, value in record.items() if key not in ("trust", "sandbox")}
    assert impossible({**older, "run_id": "0" * 16}) == []


@pytest.mark.parametrize("change", [{"schema": 7}, {"suite": None, "more": 1}, {"submission": {}}])
def test_a_record_that_cannot_be_read_is_a_finding(record, change):
    (finding,) = impossible({**record, **change})
    assert finding.where == "record"


def test_a_partial_run_and_one_of_an_unknown_protocol_may_lack_rows(record):
    some = deepcopy(record)
    some["scores"] = [s for s in some["scores"] if s["task"] == "clean"]
    assert set(broken_rules(some)) == {"rows"}
    assert broken_rules({**some, "flags": ["partial"]}) == {}
    unknown = {**some["protocol"], "sha256": "0" * 64}
    assert broken_rules({**some, "protocol": unknown}) == {}


scores = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@given(inside=scores, outside=scores)
def test_no_two_sets_of_scores_have_an_area_out_of_the_bounds(inside, outside):
    pair = [torch.tensor(s, dtype=torch.float32) for s in (inside, outside)]
    about = Score.about("outliers", "patches", detector="energy", batch_size=1)
    run = some_run(
        scores=[
            about.measured("auroc", metrics.auroc(*pair), len(inside) + len(outside)),
            about.measured("fpr95", metrics.fpr95(*pair), len(inside) + len(outside)),
        ]
    )
    assert list(detection(run)) == []


@given(seed=st.integers(0, 10**6), scale=st.sampled_from([0.1, 1.0, 5.0, 40.0]))
def test_no_answers_have_calibration_out_of_the_bounds(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    answers = (torch.randn(12, 3, generator=generator) * scale).log_softmax(1)
    labels = torch.randint(0, 3, (12,), generator=generator)
    values = {
        "accuracy": metrics.accuracy(answers, labels),
        "brier": metrics.brier(answers.exp(), labels),
        "brier_l2": metrics.brier_l2(answers.exp(), labels),
        "nll": metrics.nll(answers, labels),
    }
    about = Score.about("clean", "digits")
    run = some_run(scores=[about.measured(name, value, 12) for name, value in values.items()])
    assert list(calibration(run)) == []
