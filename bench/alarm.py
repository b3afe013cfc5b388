"""A detector put to use: a threshold at a chosen rate of false alarms, and verdicts on images.

The threshold comes from training images that the detector's own statistics have not seen.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.data import ImageSet, SuiteSpec
from bench.detectors import DETECTORS
from bench.detectors.ood import ODIN, WIDE, Known, grouped_odin, wide_detector
from bench.errors import BenchError
from bench.inference import Evidence, batches, gather
from bench.models import last_linear
from bench.sensitivity import (
    STANDARD,
    Views,
    cached_statistics,
    sensitivity_scores,
    with_views,
)
from bench.setting import TrainingSet
from bench.submissions import LoadedSubmission

SENSNORM = "sensnorm"
HELD_OUT, MOST_HELD_OUT = 0.2, 5000  # share of the training images for the threshold, and at most
VIEWED = 2  # largest batch of which every image is looked at in eleven views
SIZE = 250  # images of a forward pass
STATISTICS_BATCH = 512
Scorer = Callable[[np.ndarray, str], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Alarm:
    """A detector with its threshold.

    Args:
        detector: One of `detectors()`.
        batch_size: Images that one score speaks for.
        threshold: A group is anomalous if its score is above.
        false_alarms: Share of held-out training groups that are, at most.
        held_out: (groups,) scores of those.
        score: ((N, C, H, W) uint8, name) -> (⌈N / batch_size⌉,) scores; higher = more anomalous.
    """

    detector: str
    batch_size: int
    threshold: float
    false_alarms: float
    held_out: Tensor
    score: Scorer


def detectors() -> list[str]:
    """Names that `calibrated` takes."""
    return [*DETECTORS, SENSNORM, *WIDE, ODIN]


def calibrated(
    submission: LoadedSubmission,
    training: ImageSet,
    spec: SuiteSpec,
    detector: str,
    batch_size: int,
    false_alarms: float,
) -> Alarm:
    """Sets a detector's threshold on training images.

    Args:
        submission: The model, on its device.
        training: Of the suite that the model is for, in any order.
        spec: Of that suite.
        detector: One of `detectors()`.
        batch_size: Images of one group.
        false_alarms: Share of groups of ordinary images that may be called anomalous, in (0, 1).

    Raises:
        BenchError: E-BAD-VALUE if the detector is unknown, a number is out of range, or there are
            too few training images to tell such a rate.
    """
    if detector not in detectors():
        raise BenchError(
            "E-BAD-VALUE", f"detector: got {detector!r}, expected one of {detectors()}"
        )
    if not 0 < false_alarms < 1:
        raise BenchError(
            "E-BAD-VALUE",
            f"false alarms: got {false_alarms:g}, expected (0, 1); 0.05 is one in twenty",
        )
    order = np.random.default_rng(0).permutation(len(training.labels))
    count = min(int(len(order) * HELD_OUT), MOST_HELD_OUT)
    if count // batch_size * false_alarms < 1:
        raise BenchError(
            "E-BAD-VALUE",
            f"false alarms: got {false_alarms:g} at batch size {batch_size}; {count} held-out "
            f"training images make {count // batch_size} groups, too few to tell such a rate",
        )
    seen = np.sort(order[count:])
    ordinary = replace(training, images=training.images[seen], labels=training.labels[seen])
    score = _scorer(submission, ordinary, spec, detector, batch_size)
    held_out = score(training.images[order[: count - count % batch_size]], "held-out images")
    return Alarm(
        detector,
        batch_size,
        threshold_of(held_out, false_alarms),
        false_alarms,
        held_out,
        score,
    )


def threshold_of(scores: Tensor, false_alarms: float) -> float:
    """The score that at most a given share of the scores is above.

    Args:
        scores: (N,) of ordinary groups.
        false_alarms: In [0, 1).
    """
    above = int(round(len(scores) * false_alarms, 6))
    return float(scores.sort(descending=True).values[above])


def _scorer(
    submission: LoadedSubmission,
    training: ImageSet,
    spec: SuiteSpec,
    detector: str,
    batch_size: int,
) -> Scorer:
    if detector == SENSNORM:
        return _by_sensitivity(submission, training, batch_size, augment=spec.augment)
    if detector == ODIN:
        return _by_gradient(submission, batch_size)
    return _by_evidence(submission, training, detector, batch_size)


def _by_evidence(
    submission: LoadedSubmission, training: ImageSet, detector: str, batch_size: int
) -> Scorer:
    model = submission.model
    device = next(model.parameters()).device

    def evidence(images: np.ndarray, name: str) -> Evidence:
        return gather(model, batches(images, SIZE, device), name)

    if detector in DETECTORS:
        judge = DETECTORS[detector]
    else:
        seen = evidence(training.images, training.name)
        head = last_linear(model)
        judge = wide_detector(detector, Known(seen, torch.from_numpy(training.labels), head))
    return lambda images, name: judge(evidence(images, name), batch_size)


def _by_gradient(submission: LoadedSubmission, batch_size: int) -> Scorer:
    model = submission.model
    device = next(model.parameters()).device
    return lambda images, _: grouped_odin(model, list(batches(images, SIZE, device)), batch_size)


def _by_sensitivity(
    submission: LoadedSubmission, training: ImageSet, batch_size: int, *, augment: bool
) -> Scorer:
    model = submission.model
    device = next(model.parameters()).device

    def ordinary() -> Iterator[tuple[Tensor, Tensor]]:
        data = TrainingSet.on(device, training, augment=augment)
        return data.batches(STATISTICS_BATCH, torch.Generator().manual_seed(0))

    statistics = cached_statistics(
        model,
        ordinary,
        STANDARD,
        fingerprint=training.fingerprint,
        batch_size=STATISTICS_BATCH,
        recipe=f"{len(training.labels)} images not held out, augment {augment}",
    )

    def score(images: np.ndarray, _: str) -> Tensor:
        groups = batches(images, batch_size, device)
        if batch_size <= VIEWED:
            groups = with_views(groups, Views(mean=model.mean))
        return sensitivity_scores(model, groups, statistics)

    return score
