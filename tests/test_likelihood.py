"""A flow is scored by its densities, and by nothing that asks for classes."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from bench.data import Suite, load_suite
from bench.errors import BenchError
from bench.evaluation import Evaluation, evaluate
from bench.headline import HEADLINE, headline
from bench.metric_meanings import METRICS, QUANTILES
from bench.models import Normalised, build
from bench.models.glow import FLOWS, fresh_flow
from bench.plausible import impossible
from bench.protocol import PROTOCOL, PROTOCOLS
from bench.records import from_json, to_json
from bench.rescore import rescored
from bench.store import load_outcomes, open_store, save_run
from bench.submissions import LoadedSubmission, described, load_submission, pack

FLOW = PROTOCOLS["flows"]


@pytest.fixture(scope="module")
def submission() -> LoadedSubmission:
    flow = fresh_flow(FLOWS["glow-tiny"], torch.Generator().manual_seed(0))
    return described("tiny", "glow-tiny", Normalised(flow))


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("digits", limit=80)


@pytest.fixture(scope="module")
def scored(submission, suite) -> Evaluation:
    return evaluate(submission, suite)


def densities(submission, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return submission.model(torch.from_numpy(np.array(images)).float() / 255).double().numpy()


def value(scored: Evaluation, name: str, metric: str) -> float | None:
    (found,) = (
        s.value
        for s in scored.run.scores
        if (s.task, s.set, s.metric) == ("likelihood", name, metric)
    )
    return found


def test_areas_are_those_of_minus_the_log_density(scored, submission, suite):
    inside = densities(submission, suite.test.images)
    outside = densities(submission, suite.outliers["patches"].images)
    truth = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
    expected = roc_auc_score(truth, -np.r_[inside, outside])
    assert value(scored, "patches", "auroc") == pytest.approx(expected, abs=1e-12)


def test_means_bits_and_quantiles_are_of_the_log_densities(scored, submission, suite):
    found = densities(submission, suite.test.images)
    assert value(scored, "digits", "log_density") == pytest.approx(found.mean(), rel=1e-9)
    bits = -found.mean() / (32 * 32 * math.log(2))
    assert value(scored, "digits", "bits_per_dim") == pytest.approx(bits, rel=1e-9)
    for name, share in QUANTILES.items():
        assert value(scored, "digits", name) == pytest.approx(np.quantile(found, share), rel=1e-9)


def test_every_metric_of_the_protocol_is_there_and_no_other(scored):
    given = {score.metric for score in scored.run.scores}
    assert {name for name, metric in METRICS.items() if metric.task == "likelihood"} < given
    assert {score.task for score in scored.run.scores} == {"likelihood", "cost"}
    assert (scored.run.submission.kind, scored.run.protocol) == ("flow", FLOW.id)
    assert scored.run.flags == ("layer-collapse",)  # of the couplings, which begin as zero


def test_numbers_of_classes_do_not_apply_to_a_flow_nor_its_own_to_a_classifier(scored):
    found = headline(scored.run.scores)
    for name, column in HEADLINE.items():
        if column.task == "likelihood":
            assert found[name] == value(scored, "patches", "auroc")
        elif column.task != "cost":
            assert found[name] == "not_applicable"
    assert headline([])["likelihood_auroc"] == "not_applicable"
    assert headline([])["accuracy"] == "not_run"


def test_the_record_can_be_true_and_follows_from_the_stored_densities(scored, tmp_path):
    assert impossible(to_json(scored.run)) == []
    assert from_json(to_json(scored.run)) == scored.run
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, *scored)
        kept = load_outcomes(store, scored.run.run_id)
    assert set(kept) == {"digits", "patches"}
    assert rescored(scored.run, kept) == []
    moved = {**kept, "patches": kept["digits"]}
    wrong = {finding.where.split()[-1] for finding in rescored(scored.run, moved)}
    assert {"auroc", "fpr95"} <= wrong


def test_a_flow_and_a_classifier_are_not_scored_by_each_others_protocol(submission, suite):
    with pytest.raises(BenchError, match="preset: got standard for a flow"):
        evaluate(submission, suite, protocol=PROTOCOL)
    with pytest.raises(BenchError, match="preset: got flows for a classifier"):
        evaluate(build("lenet5"), suite, protocol=FLOW)


def test_packed_and_loaded_it_is_the_same_flow(submission, suite, tmp_path):
    folder = pack(submission.model, submission.record, tmp_path / "tiny")
    loaded = load_submission(folder)
    assert loaded.record == submission.record
    found = densities(loaded, suite.test.images[:5])
    assert found.tobytes() == densities(submission, suite.test.images[:5]).tobytes()
    bare = load_submission(folder / "weights.safetensors")
    assert (bare.record.kind, bare.record.architecture) == ("flow", "glow-tiny")


def test_a_flow_has_no_normalisation(submission, tmp_path):
    folder = pack(submission.model, submission.record, tmp_path / "tiny")
    with pytest.raises(BenchError, match="E-BAD-VALUE: normalisation"):
        load_submission(folder / "weights.safetensors", mean=(0.5,), std=(0.5,))
