"""Scores of a set of anomalies against the clean test set, by detector and batch size."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product

from torch import Tensor

from bench import metrics
from bench.errors import BenchError
from bench.inference import Case, Exhibit
from bench.records import Reason, Score

Measures = Mapping[str, Callable[[Tensor, Tensor], float]]  # of two sets of outlier scores

DETECTION: Measures = {
    "auroc": metrics.auroc,
    "aupr_id": metrics.aupr_id,
    "aupr_outlier": metrics.aupr_outlier,
    "fpr95": metrics.fpr95,
}
AREA: Measures = {"auroc": metrics.auroc}
# Of other images than the clean ones, which attacks and shifts change
INDEPENDENT = ("outliers", "out-of-domain", "likelihood")
UNMEASURED: Mapping[str, Reason] = {
    "E-NO-DATA": "not_run",
    "E-TOO-FEW-IMAGES": "not_run",
    "E-BAD-OUTPUT": "failed",
    "E-NO-FEATURES": "not_applicable",
}


def detection_scores(
    case: Case, about: Score, anomalies: Exhibit, wanted: Measures = DETECTION
) -> list[Score]:
    """How well every detector that the protocol has for a task finds its anomalies.

    In-distribution images and anomalies are grouped alike, in canonical order.

    Args:
        case: Its clean images are in-distribution, misclassified ones included.
        about: Task, set and conditions of the scores.
        anomalies: What is to be found.
        wanted: Metrics, by name.

    Returns:
        One score a detector, batch size and metric, with n = groups on both sides; `not_run` for
        a detector whose training images are missing, `failed` for one without finite scores,
        `not_applicable` for one that needs the features of a single network.
    """
    return [score for row in _rows(case, about) for score in _found(case, row, anomalies, wanted)]


def missing_scores(
    case: Case, about: Score, reason: Reason, wanted: Measures = DETECTION
) -> list[Score]:
    """The same rows without values."""
    return [score for row in _rows(case, about) for score in _without(row, reason, wanted)]


def compared(
    row: Score, inside: Tensor, outside: Tensor, wanted: Measures = DETECTION
) -> list[Score]:
    """A row for each metric of two sets of outlier scores."""
    n = len(inside) + len(outside)
    apart = row.task in INDEPENDENT
    stderr = {"auroc": metrics.auroc_stderr(inside, outside)} if apart else {}
    return [
        row.measured(metric, measure(inside, outside), n, stderr.get(metric))
        for metric, measure in wanted.items()
    ]


def _rows(case: Case, about: Score) -> list[Score]:
    asked = product(case.protocol.detectors_of(about.task), case.protocol.detector_batch_sizes)
    return [replace(about, detector=name, batch_size=size) for name, size in asked]


def _found(case: Case, row: Score, anomalies: Exhibit, wanted: Measures) -> list[Score]:
    watcher, batch_size = case.watchers[str(row.detector)], row.batch_size or 1
    try:
        inside = watcher.inside(batch_size)
        outside = watcher.score(anomalies, batch_size)
    except BenchError as error:
        if error.code not in UNMEASURED:
            raise
        return _without(row, UNMEASURED[error.code], wanted)
    if not (inside.isfinite().all() and outside.isfinite().all()):
        return _without(row, "failed", wanted)
    return compared(row, inside, outside, wanted)


def _without(row: Score, reason: Reason, wanted: Measures) -> list[Score]:
    return [replace(row, metric=metric, reason=reason) for metric in wanted]
