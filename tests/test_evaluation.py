import json
from dataclasses import replace
from pathlib import Path

import foolbox
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import nn
from torchmetrics.functional.classification import multiclass_calibration_error

from bench.data import load_suite, shifted
from bench.errors import BenchError
from bench.evaluation import Evaluation, evaluate
from bench.protocol import PROTOCOL, PROTOCOLS
from bench.records import Run, Score, canonical_json, to_json
from bench.store import TRUTH
from bench.submissions import LoadedSubmission, load_submission

TIMED = {"latency_ratio"}


@pytest.fixture(scope="module")
def submission(dense: Path) -> LoadedSubmission:
    return load_submission(dense)


@pytest.fixture(scope="module")
def evaluation(submission: LoadedSubmission) -> Evaluation:
    return evaluate(submission, "digits")


@pytest.fixture(scope="module")
def test_images() -> tuple[torch.Tensor, torch.Tensor]:
    test = load_suite("digits").test
    return torch.tensor(test.images).float() / 255, torch.tensor(test.labels)


def value(run: Run, **conditions: object) -> float:
    found = [
        score
        for score in run.scores
        if all(getattr(score, name) == wanted for name, wanted in conditions.items())
    ]
    assert len(found) == 1, found
    assert found[0].value is not None
    return found[0].value


def confidence(submission: LoadedSubmission, images: np.ndarray | torch.Tensor) -> np.ndarray:
    pixels = images if isinstance(images, torch.Tensor) else torch.tensor(images).float() / 255
    with torch.inference_mode():
        return submission.model(pixels).softmax(1).max(1).values.numpy()


def test_the_record_is_complete(evaluation):
    run = evaluation.run
    assert {score.task for score in run.scores} == set(PROTOCOL.tasks)
    assert {score.metric for score in run.scores} == set(PROTOCOL.metrics)
    assert set(run.data) == {"digits", "digits-train", "patches", "digits-c*"}
    assert all(len(fingerprint) == 64 for fingerprint in run.data.values())
    assert run.environment.batch_size == PROTOCOL.batch_size
    shifts = [s for s in run.scores if s.task == "shift" and s.metric == "accuracy"]
    assert len(shifts) == 95
    assert {s.corruption for s in shifts if s.reason == "not_applicable"} == {"saturate"}
    assert json.loads(canonical_json(to_json(run)))["schema"] == 1


def test_no_two_scores_have_the_same_conditions(evaluation):
    conditions = [
        replace(s, value=0.0, reason=None, n=0, stderr=None) for s in evaluation.run.scores
    ]
    assert len(set(conditions)) == len(conditions)


def test_clean_numbers_equal_independent_implementations(evaluation, submission, test_images):
    images, labels = test_images
    with torch.inference_mode():
        probabilities = submission.model(images).softmax(1)
    clean = {"task": "clean", "set": "digits"}
    accuracy = (probabilities.argmax(1) == labels).double().mean()
    assert value(evaluation.run, **clean, metric="accuracy") == pytest.approx(float(accuracy))
    distance = probabilities.double() - nn.functional.one_hot(labels, 10)
    brier = float(distance.square().sum(1).mean())
    assert value(evaluation.run, **clean, metric="brier") == pytest.approx(brier, abs=1e-6)
    ece = float(multiclass_calibration_error(probabilities, labels, 10, n_bins=15, norm="l1"))
    assert value(evaluation.run, **clean, metric="ece") == pytest.approx(ece, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "epsilon", "oracle"),
    [
        ("fgsm-linf", 8 / 255, foolbox.attacks.LinfFastGradientAttack),
        ("fgsm-l2", 0.5, foolbox.attacks.L2FastGradientAttack),
    ],
)
def test_attacked_accuracy_and_detection_equal_foolbox_and_sklearn(
    evaluation, submission, test_images, name, epsilon, oracle
):
    images, labels = test_images
    model = foolbox.PyTorchModel(submission.model, bounds=(0, 1), device="cpu")
    _, attacked, success = oracle(random_start=False)(model, images, labels, epsilons=epsilon)
    attack = {"task": "adversarial", "attack": name, "epsilon": epsilon}
    noticed = {**attack, "detector": "msp", "batch_size": 1}
    expected = 1 - float(success.double().mean())
    assert value(evaluation.run, **attack, metric="accuracy") == pytest.approx(expected, abs=1e-6)
    scores = np.concatenate([-confidence(submission, images), -confidence(submission, attacked)])
    area = roc_auc_score(np.repeat([0, 1], len(labels)), scores)
    assert value(evaluation.run, **noticed, metric="auroc") == pytest.approx(area, abs=1e-4)


def test_outlier_detection_equals_sklearn(evaluation, submission):
    suite = load_suite("digits")
    inside = -confidence(submission, suite.test.images)
    outside = -confidence(submission, suite.outliers["patches"].images)
    truth = np.repeat([0, 1], [len(inside), len(outside)])
    scores = np.concatenate([inside, outside])
    at = {"task": "outliers", "set": "patches", "detector": "msp", "batch_size": 1}
    assert value(evaluation.run, **at, metric="auroc") == pytest.approx(
        roc_auc_score(truth, scores), abs=1e-6
    )
    assert value(evaluation.run, **at, metric="aupr_outlier") == pytest.approx(
        average_precision_score(truth, scores), abs=1e-6
    )
    assert value(evaluation.run, **at, metric="aupr_id") == pytest.approx(
        average_precision_score(1 - truth, -scores), abs=1e-6
    )


def test_shift_numbers_are_those_of_the_shifted_images(evaluation, submission, test_images):
    shift = shifted(load_suite("digits"), "fog", 5)
    with torch.inference_mode():
        answers = submission.model(torch.tensor(shift.images).float() / 255)
    expected = float((answers.argmax(1) == test_images[1]).double().mean())
    at = {"task": "shift", "corruption": "fog", "severity": 5}
    assert value(evaluation.run, **at, metric="accuracy") == pytest.approx(expected)
    at |= {"detector": "msp", "batch_size": 1}
    truth = np.repeat([0, 1], len(shift.labels))
    scores = [-confidence(submission, test_images[0]), -confidence(submission, shift.images)]
    assert value(evaluation.run, **at, metric="auroc") == pytest.approx(
        roc_auc_score(truth, np.concatenate(scores)), abs=1e-6
    )


def test_outcomes_give_the_accuracy_again_without_the_model(evaluation, test_images):
    labels = test_images[1].numpy()
    run, outcomes = evaluation
    for key, conditions in {
        "digits": {"task": "clean"},
        "fgsm-linf@0.0314": {"task": "adversarial", "attack": "fgsm-linf", "epsilon": 8 / 255},
        "fog/3": {"corruption": "fog", "severity": 3},
    }.items():
        again = float((outcomes[key].predicted == labels).mean())
        assert value(run, **conditions, metric="accuracy") == pytest.approx(again)
    assert np.array_equal(outcomes[TRUTH].predicted, labels)
    assert len(outcomes) == 1 + 5 + 90 + 1 + 1 + 1


def untimed(run: Run) -> dict[str, object]:
    scores = tuple(s for s in run.scores if s.metric not in TIMED)
    return to_json(replace(run, started="", seconds=0.0, scores=scores))


def test_the_same_evaluation_twice_gives_the_same_bytes_but_for_times(scored, dense):
    again = evaluate(load_submission(dense), load_suite("digits", limit=60))
    assert canonical_json(untimed(again.run)) == canonical_json(untimed(scored.run))
    assert again.run.run_id == scored.run.run_id
    for key, outcome in scored.outcomes.items():
        assert again.outcomes[key].confidence.tobytes() == outcome.confidence.tobytes()


def test_a_prefix_is_scored_as_the_first_images_of_every_set(submission, evaluation):
    run, outcomes = evaluate(submission, load_suite("digits", limit=50))
    assert run.limit == 50
    assert run.run_id != evaluation.run.run_id
    for key in ("digits", "patches", "glass_blur/5"):
        whole = evaluation.outcomes[key]
        assert np.array_equal(outcomes[key].predicted, whole.predicted[:50])
        np.testing.assert_allclose(outcomes[key].confidence, whole.confidence[:50], atol=1e-6)


def test_the_authors_preset_attacks_past_the_normalisation(submission, evaluation):
    run, _ = evaluate(
        submission, "digits", protocol=PROTOCOLS["authors"], only=["clean", "adversarial"]
    )
    at = {"task": "adversarial", "attack": "fgsm-linf", "metric": "accuracy"}
    assert value(run, **at) > value(evaluation.run, **at)  # a misaligned attack is weaker
    clean = {"task": "clean", "metric": "accuracy"}
    assert value(run, **clean) == value(evaluation.run, **clean)
    assert run.protocol.sha256 != evaluation.run.protocol.sha256


def test_a_bare_module_is_scored_and_marked(submission, evaluation):
    run, _ = evaluate(submission.model, "digits", only=["clean", "cost"])
    assert set(run.flags) == {"not-reproducible-from-file", "partial"}
    assert value(run, metric="brier") == value(evaluation.run, metric="brier")
    (latency,) = (score for score in run.scores if score.metric == "latency_ratio")
    assert latency == Score(
        task="cost", set="digits", metric="latency_ratio", value=None, n=0, reason="not_applicable"
    )


def test_scoring_leaves_the_weights_as_they_were(dense):
    submission = load_submission(dense)
    before = {k: v.clone() for k, v in submission.model.state_dict().items()}
    evaluate(submission, load_suite("digits", limit=20))
    after = submission.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in submission.model.parameters())


class Constant(nn.Module):
    """Answers every image with the same numbers."""

    def __init__(self, *answer: float) -> None:
        super().__init__()
        self.answer = answer
        self.layer = nn.Linear(1, len(answer))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.layer(images.flatten(1)[:, :1])
        return torch.tensor([self.answer]).expand(len(images), -1)


class Particular(nn.Module):
    """Takes no image that is smaller than its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("larger ones, please")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Constant(*[0.0] * 7), r"shape \(1, 7\), expected \(1, 10\)"),
        (Constant(*[float("nan")] * 10), "not all finite"),
        (nn.Sequential(nn.Conv2d(3, 10, 3), nn.Flatten(), nn.Linear(6760, 10)), "right --suite"),
        (Particular(), "larger ones, please"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1)), "are probabilities"),
    ],
)
def test_a_model_that_does_not_fit_the_suite_is_refused(module, message):
    with pytest.raises(BenchError, match=message) as caught:
        evaluate(module.eval(), "digits", only=["clean"])
    assert caught.value.code == "E-BAD-OUTPUT"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"only": ["clean", "lunch"]}, "E-BAD-VALUE"),
        ({"device": "abacus"}, "E-BAD-VALUE"),
        ({"suite": "imagenet"}, "E-UNKNOWN-SUITE"),
    ],
)
def test_wrong_options_are_refused_before_any_work(submission, options, code):
    with pytest.raises(BenchError) as caught:
        evaluate(submission, **{"suite": "digits", **options})
    assert caught.value.code == code
