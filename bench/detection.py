"""Scores of a set of anomalies against the clean test set, by detector and batch size."""

from collections.abc import Callable, Mapping
from itertools import product

from torch import Tensor

from bench import metrics
from bench.detectors import DETECTORS
from bench.inference import Case, Evidence
from bench.records import Reason, Score

DETECTION: Mapping[str, Callable[[Tensor, Tensor], float]] = {
    "auroc": metrics.auroc,
    "aupr_id": metrics.aupr_id,
    "aupr_outlier": metrics.aupr_outlier,
    "fpr95": metrics.fpr95,
}


def detection_scores(case: Case, task: str, name: str, anomalies: Evidence) -> list[Score]:
    """AUROC, both AUPR and FPR95 for every detector and batch size of the protocol.

    In-distribution images and anomalies are grouped alike, in canonical order.

    Args:
        case: Its clean evidence is in-distribution, misclassified images included.
        task: Task of the scores.
        name: Set of the scores.
        anomalies: Evidence of the anomalies.

    Returns:
        One score a metric, with n = groups on both sides.
    """
    scores = []
    for detector, batch_size in product(
        case.protocol.detectors, case.protocol.detector_batch_sizes
    ):
        inside = DETECTORS[detector](case.clean, batch_size)
        outside = DETECTORS[detector](anomalies, batch_size)
        scores += [
            Score(
                task=task,
                set=name,
                detector=detector,
                batch_size=batch_size,
                metric=metric,
                value=measure(inside, outside),
                n=len(inside) + len(outside),
            )
            for metric, measure in DETECTION.items()
        ]
    return scores


def missing_scores(case: Case, task: str, name: str, reason: Reason) -> list[Score]:
    """The same rows without values."""
    return [
        Score(
            task=task,
            set=name,
            detector=detector,
            batch_size=batch_size,
            metric=metric,
            value=None,
            n=0,
            reason=reason,
        )
        for detector, batch_size, metric in product(
            case.protocol.detectors, case.protocol.detector_batch_sizes, DETECTION
        )
    ]
