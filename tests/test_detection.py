"""Detection as the tasks record it: which rows there are, and that their numbers are right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import nll_loss

from bench.data import Suite, load_suite, training_set
from bench.detection import detection_scores
from bench.detectors import DETECTORS, Known, drawn
from bench.errors import BenchError
from bench.evaluation import evaluate
from bench.inference import Case, Evidence, Exhibit, Watcher
from bench.models import Normalised, prunable
from bench.protocol import PROTOCOL, PROTOCOLS
from bench.records import Run, Score
from bench.setting import TrainingSet
from bench.submissions import LoadedSubmission, load_submission

ANOMALIES = ("adversarial", "shift", "outliers", "out-of-domain")


@pytest.fixture(scope="module")
def submission(dense: Path) -> LoadedSubmission:
    return load_submission(dense)


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("digits", limit=60)


@pytest.fixture(scope="module")
def every(submission, suite) -> Run:
    """Of the preset `detectors`, with a few of its shifts."""
    few = replace(
        PROTOCOLS["detectors"],
        corruptions=("fog", "saturate"),
        severities=(1, 5),
        gradient_groups=60,
    )
    return evaluate(submission, suite, protocol=few).run


def rows(run, **conditions):
    return [s for s in run.scores if all(getattr(s, k) == v for k, v in conditions.items())]


def test_every_detector_looks_for_every_anomaly_at_every_batch_size(every):
    protocol = PROTOCOLS["detectors"]
    for task, names in protocol.detectors:
        found = {(s.detector, s.batch_size) for s in rows(every, task=task, metric="auroc")}
        assert found == {(name, size) for name in names for size in protocol.detector_batch_sizes}
    shifted = rows(every, task="shift", metric="auroc", detector="sensnorm", batch_size=1)
    assert [(s.corruption, s.severity) for s in shifted] == [("fog", 5), ("saturate", 5)]
    assert {s.corruption for s in shifted if s.reason} == {"saturate"}
    measured = [s for s in every.scores if s.reason is None]
    assert len(measured) > 0.9 * len(every.scores)
    assert {s.reason for s in every.scores} == {None, "not_applicable"}


def test_detectors_by_gradients_look_at_their_share_of_the_groups(every, suite):
    for detector, expected in (("msp", 60), ("odin", 30), ("sensnorm", 30)):
        (fog,) = rows(every, task="shift", detector=detector, corruption="fog", batch_size=1)[:1]
        assert fog.n == 60 + expected
    (pairs,) = rows(every, task="outliers", detector="sensnorm", batch_size=2, metric="auroc")
    assert pairs.n == 60
    assert pairs.stderr is not None


def sensitivities(model: Normalised, images, labels):
    """The paper's w · ∂L/∂w over the loss, with the authors' loss, by autograd alone."""
    weights = prunable(model)
    loss = nll_loss(model(images), labels)
    slopes = torch.autograd.grad(loss, list(weights.values()))
    parts = [(w.detach() * g).flatten() for w, g in zip(weights.values(), slopes, strict=True)]
    return torch.cat(parts).double() / (1e-8 + loss.detach().double())


def test_sensnorm_is_the_papers_formula_on_batches_of_the_suite(submission, suite):
    model, training = submission.model, training_set("digits")
    order = np.random.default_rng(0).permutation(len(training.labels))
    sample = drawn(training, order, PROTOCOL.fit_images)
    stream = TrainingSet.on(torch.device("cpu"), sample).batches(
        PROTOCOL.sensitivity_batch, torch.Generator().manual_seed(0)
    )
    table = torch.stack([sensitivities(model, *batch) for batch in stream])
    assert len(table) == 12
    mean, std = table.mean(0), table.std(0)
    images = torch.from_numpy(suite.outliers["patches"].images).float() / 255
    expected = []
    for group in images.split(5):
        a = sensitivities(model, group, model(group).argmax(1))
        expected.append(torch.linalg.vector_norm(((a - mean) / (std + 1e-8))[std > 0], 5))
    known = Known(model, sample, augment=False, batch_size=PROTOCOL.sensitivity_batch, viewed=2)
    clean = Exhibit(
        Evidence(torch.zeros(60, 10), torch.zeros(60, 1)), lambda n: iter(images.split(n))
    )
    ours = DETECTORS["sensnorm"](known)(clean, 5)
    torch.testing.assert_close(ours, torch.stack(expected).float(), rtol=2e-3, atol=0)


class Doubtful(nn.Module):
    """A network whose classifier is the images' mean, with a layer that it does not use."""

    def __init__(self, answer):
        super().__init__()
        self.spare, self.used, self.answer = nn.Linear(3, 3), nn.Linear(784, 10), answer
        for weight in self.parameters():
            weight.data = torch.linspace(-1, 1, weight.numel()).view(weight.shape)

    def forward(self, images):
        return self.answer(self.used(images.flatten(1)))


def sensnorm_scores(module, suite):
    run = evaluate(module, suite, only=("outliers",)).run
    return [s.value for s in rows(run, detector="sensnorm", metric="auroc")]


def test_a_layer_that_is_not_used_is_left_out(suite):
    assert None not in sensnorm_scores(Doubtful(torch.tanh), suite)


def test_networks_of_the_same_weights_do_not_share_statistics(suite, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    for answer in (torch.tanh, torch.sin, torch.tanh):
        assert sensnorm_scores(Doubtful(answer), suite)
    assert len(list((tmp_path / "sensitivity").iterdir())) == 2


def test_a_network_behind_its_normalisation_sees_unscaled_images_as_they_are(submission):
    model, images = submission.model, torch.rand(3, 1, 28, 28) * 255
    assert model.mean
    torch.testing.assert_close(
        model(model.unnormalised(images)), model.network(images), rtol=1e-4, atol=1e-3
    )


def test_without_training_images_sensnorm_is_not_run_and_the_rest_is(submission, suite):
    blind = replace(suite, training=None)
    run = evaluate(submission, blind, only=("outliers", "out-of-domain")).run
    assert "digits-train" not in run.data
    for score in run.scores:
        assert score.reason == ("not_run" if score.detector == "sensnorm" else None)
    assert {score.detector for score in run.scores} == {"msp", "gradnorm", "sensnorm"}


ABOUT = Score.about("outliers", "set")


def case_of(suite, prepare):
    """A case with one detector, of three clean images."""
    evidence = Evidence(torch.zeros(3, 2), torch.zeros(3, 2))
    clean = Exhibit(evidence, lambda size: iter(()))
    protocol = replace(PROTOCOL, detectors=(("outliers", ("msp",)),), detector_batch_sizes=(1,))
    watchers = {"msp": Watcher(prepare, lambda: clean)}
    case = Case(None, suite, protocol, torch.device("cpu"), lambda: evidence, watchers, print)
    return case, clean


def refusing(code):
    def prepare():
        raise BenchError(code, "for the test")

    return prepare


@pytest.mark.parametrize(
    ("code", "reason"),
    [("E-NO-DATA", "not_run"), ("E-TOO-FEW-IMAGES", "not_run"), ("E-BAD-OUTPUT", "failed")],
)
def test_a_detector_that_cannot_be_fitted_leaves_rows_with_its_reason(suite, code, reason):
    case, clean = case_of(suite, refusing(code))
    found = detection_scores(case, ABOUT, clean)
    assert [(s.metric, s.value, s.reason) for s in found] == [
        (metric, None, reason) for metric in ("auroc", "aupr_id", "aupr_outlier", "fpr95")
    ]


def test_other_refusals_are_raised(suite):
    case, clean = case_of(suite, refusing("E-BAD-VALUE"))
    with pytest.raises(BenchError, match="E-BAD-VALUE"):
        detection_scores(case, ABOUT, clean)


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_scores_that_are_not_finite_have_failed(suite, odd):
    case, clean = case_of(suite, lambda: lambda exhibit, size: torch.tensor([0.0, odd, 1.0]))
    assert {s.reason for s in detection_scores(case, ABOUT, clean)} == {"failed"}


def test_a_detector_that_cannot_be_fitted_is_tried_once(suite):
    calls = []

    def prepare():
        calls.append("tried")
        raise BenchError("E-BAD-OUTPUT", "for the test")

    case, clean = case_of(suite, prepare)
    for _ in range(3):
        assert detection_scores(case, ABOUT, clean)
    assert calls == ["tried"]


def test_only_independent_sets_have_an_error_of_their_area(every):
    for score in rows(every, metric="auroc", detector="msp", batch_size=1):
        independent = score.task in ("outliers", "out-of-domain")
        assert (score.stderr is not None) == independent


def test_clean_images_are_scored_once_and_a_detector_is_fitted_once(suite):
    calls = []

    def prepare():
        calls.append("prepared")
        return lambda exhibit, size: calls.append(exhibit) or torch.arange(3.0)

    case, clean = case_of(suite, prepare)
    strange = replace(clean)
    for _ in range(2):
        detection_scores(case, ABOUT, strange)
    assert calls == ["prepared", clean, strange, strange]
