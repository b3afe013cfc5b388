"""Scores computed again from the stored answers of a run, image by image, without its model."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from bench import metrics
from bench.detection import DETECTION
from bench.inference import group_means
from bench.records import Finding, Run, Score
from bench.store import TRUTH, Outcome, outcome_key

CLOSE = 1e-12


def rescored(
    run: Run, outcomes: Mapping[str, Outcome], labels: np.ndarray | None = None
) -> list[Finding]:
    """Where the stored answers do not give the stored scores.

    Args:
        run: The run.
        outcomes: Its stored answers by set, and its labels if it keeps them.
        labels: (N,) integers, of the test set, for the accuracies; None takes those that are
            stored, or leaves the accuracies out if none are.

    Returns:
        One finding a score by MSP or likelihood, accuracy or audited share that differs by more
        than 1e-12, or whose number of images does, and one if the stored labels are none of this
        test set. The area under the ROC curve is taken both ways round, as the sum is 1.
    """
    if run.suite not in outcomes:
        return []
    inside = outcomes[run.suite]
    found = list(_mislabelled(outcomes, inside, labels))
    if labels is None and TRUTH in outcomes and not found:
        labels = outcomes[TRUTH].predicted
    for score in run.scores:
        answers = outcomes.get(outcome_key(score))
        if score.task == "audit" and score.attack is None and score.value is not None:
            found += _audited(score, inside, labels)
        if answers is None or score.value is None:
            continue
        if score.metric == "accuracy" and labels is not None:
            found += _accuracy(score, answers, labels)
        elif score.metric in DETECTION and (score.detector == "msp" or score.task == "likelihood"):
            found += _detection(score, inside, answers)
    return found


def _mislabelled(
    outcomes: Mapping[str, Outcome], clean: Outcome, labels: np.ndarray | None
) -> Iterator[Finding]:
    """What is wrong with the stored labels, if there are any."""
    if TRUTH not in outcomes:
        return
    truth = outcomes[TRUTH]
    if len(truth.predicted) != len(clean.predicted):
        what = f"{len(truth.predicted)} labels, {len(clean.predicted)} answers"
        yield Finding(TRUTH, what)
    elif not (truth.confidence == 1).all():
        yield Finding(TRUTH, "got a label that is not certain, expected the probability 1")
    elif labels is not None and not np.array_equal(truth.predicted, labels):
        yield Finding(TRUTH, "the stored labels are not those of the test set")


def _accuracy(score: Score, answers: Outcome, labels: np.ndarray) -> Iterator[Finding]:
    if len(answers.predicted) != len(labels):
        yield Finding(
            outcome_key(score), f"{len(answers.confidence)} answers, {len(labels)} images"
        )
        return
    yield from _differing(score, float((answers.predicted == labels).mean()), len(labels))


def _audited(score: Score, clean: Outcome, labels: np.ndarray | None) -> Iterator[Finding]:
    """Shares of the first answers to the clean test set."""
    classes, msp = clean.predicted[: score.n], clean.confidence[: score.n]
    values = {
        "top_class_share": np.bincount(classes).max() / len(classes),
        "saturated_share": (msp == 1).mean(),
    }
    if labels is not None:
        values["accuracy"] = (classes == labels[: len(classes)]).mean()
    if score.metric in values:
        yield from _differing(score, float(values[score.metric]), len(classes))


def _detection(score: Score, inside: Outcome, outside: Outcome) -> Iterator[Finding]:
    size = score.batch_size or 1
    normal, odd = (group_means(-_confidence(part), size) for part in (inside, outside))
    n = len(normal) + len(odd)
    yield from _differing(score, DETECTION[score.metric](normal, odd), n)
    if score.metric == "auroc":
        yield from _differing(score, 1 - metrics.auroc(odd, normal), n)


def _confidence(outcome: Outcome) -> Tensor:
    return torch.tensor(np.array(outcome.confidence))


def _differing(score: Score, value: float, n: int) -> Iterator[Finding]:
    if score.n != n or abs((score.value or 0) - value) > CLOSE:
        where = outcome_key(score) or score.task
        about = f"{where} {score.detector or ''} {score.batch_size or ''}"
        name = " ".join((*about.split(), score.metric))
        yield Finding(name, f"got {score.value} of {score.n}, the answers give {value} of {n}")
