"""A detector put to use: a threshold at a chosen rate of false alarms, and verdicts on images.

The threshold comes from training images that the detector's own statistics have not seen.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.data import ImageSet, Progress, SuiteSpec, silent
from bench.detectors import DETECTORS
from bench.detectors.ood import ODIN, WIDE, Known, odin, wide_detector
from bench.errors import BenchError
from bench.inference import Evidence, batches, gather
from bench.models import Normalised, last_linear
from bench.sensitivity import STANDARD, Views, cached_statistics, sensitivity_scores, with_views
from bench.setting import TrainingSet

SENSNORM = "sensnorm"
NAMES = (*DETECTORS, SENSNORM, *WIDE, ODIN)
HELD_OUT, MOST_HELD_OUT = 0.2, 5000  # share of the training images for the threshold, and at most
VIEWED = 2  # largest batch of which every image is looked at in eleven views
SIZE = 250  # images of a forward pass
STATISTICS_BATCH = 512
Scorer = Callable[[np.ndarray], Tensor]
Look = Callable[[np.ndarray, int], Iterator[Tensor]]  # images, batch size -> batches


@dataclass(frozen=True, slots=True)
class Watch:
    """What is asked for.

    Args:
        detector: One of `NAMES`.
        batch_size: Images that one score speaks for.
        false_alarms: Share of groups of ordinary images that may be called anomalous, in (0, 1).

    Raises:
        BenchError: E-BAD-VALUE for a detector that is none, or a rate out of range.
    """

    detector: str
    batch_size: int
    false_alarms: float

    def __post_init__(self) -> None:
        if self.detector not in NAMES:
            raise BenchError(
                "E-BAD-VALUE", f"detector: got {self.detector!r}, expected one of {list(NAMES)}"
            )
        if not 0 < self.false_alarms < 1:
            raise BenchError(
                "E-BAD-VALUE",
                f"false alarms: got {self.false_alarms:g}, expected (0, 1); 0.05 is one in twenty",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Alarm:
    """A detector with its threshold.

    Args:
        watch: What was asked for.
        threshold: A group is anomalous if its score is above.
        held_out: (groups,) scores of held-out training images.
        score: (N, C, H, W) uint8 -> (⌈N / batch_size⌉,) scores; higher = more anomalous.
    """

    watch: Watch
    threshold: float
    held_out: Tensor
    score: Scorer

    def raised_on(self, scores: Tensor) -> float:
        """Share of the scores that are above the threshold."""
        return float((scores > self.threshold).double().mean())


def calibrated(
    model: Normalised,
    training: ImageSet,
    spec: SuiteSpec,
    watch: Watch,
    progress: Progress = silent,
) -> Alarm:
    """Sets a detector's threshold on training images.

    Args:
        model: On its device, in evaluation mode.
        training: Of the suite that the model is for, in any order.
        spec: Of that suite.
        watch: What is asked for.
        progress: Called with (what, done, total) while images are looked at.

    Raises:
        BenchError: E-BAD-VALUE if there are too few training images to tell such a rate.
    """
    order = np.random.default_rng(0).permutation(len(training.labels))
    count = min(int(len(order) * HELD_OUT), MOST_HELD_OUT)
    groups = count // watch.batch_size
    if groups * watch.false_alarms < 1:
        raise BenchError(
            "E-BAD-VALUE",
            f"false alarms: got {watch.false_alarms:g} at batch size {watch.batch_size}; {count} "
            f"held-out training images make {groups} groups, too few to tell such a rate",
        )
    seen = np.sort(order[count:])
    rest = replace(training, images=training.images[seen], labels=training.labels[seen])
    score = _scorer(model, rest, spec, watch, progress)
    held_out = score(training.images[order[: groups * watch.batch_size]])
    return Alarm(watch, threshold_of(held_out, watch.false_alarms), held_out, score)


def threshold_of(scores: Tensor, false_alarms: float) -> float:
    """The score that at most a given share of the scores is above.

    Args:
        scores: (N,) of ordinary groups.
        false_alarms: In [0, 1).
    """
    above = int(round(len(scores) * false_alarms, 6))
    return float(scores.sort(descending=True).values[above])


def _scorer(
    model: Normalised, training: ImageSet, spec: SuiteSpec, watch: Watch, progress: Progress
) -> Scorer:
    device = next(model.parameters()).device

    def look(images: np.ndarray, size: int) -> Iterator[Tensor]:
        total = -(-len(images) // size)
        for done, batch in enumerate(batches(images, size, device)):
            progress(watch.detector, done, total)
            yield batch
        progress(watch.detector, total, total)

    if watch.detector == SENSNORM:
        data = TrainingSet.on(device, training, augment=spec.augment)
        return _by_sensitivity(model, data, training.fingerprint, watch, look)
    if watch.detector == ODIN:
        return lambda images: odin(model, look(images, SIZE), watch.batch_size)
    return _by_evidence(model, training, watch, look)


def _by_evidence(model: Normalised, training: ImageSet, watch: Watch, look: Look) -> Scorer:
    def evidence(images: np.ndarray) -> Evidence:
        return gather(model, look(images, SIZE), "the images")

    if watch.detector in DETECTORS:
        judge = DETECTORS[watch.detector]
    else:
        labels = torch.from_numpy(training.labels)
        known = Known(evidence(training.images), labels, last_linear(model))
        judge = wide_detector(watch.detector, known)
    return lambda images: judge(evidence(images), watch.batch_size)


def _by_sensitivity(
    model: Normalised, data: TrainingSet, fingerprint: str, watch: Watch, look: Look
) -> Scorer:
    statistics = cached_statistics(
        model,
        lambda: data.batches(STATISTICS_BATCH, torch.Generator().manual_seed(0)),
        STANDARD,
        fingerprint=fingerprint,
        batch_size=STATISTICS_BATCH,
        recipe=f"{len(data.labels)} images not held out, augment {data.augment}",
    )

    def score(images: np.ndarray) -> Tensor:
        groups = look(images, watch.batch_size)
        if watch.batch_size <= VIEWED:
            groups = with_views(groups, Views(mean=model.mean))
        return sensitivity_scores(model, groups, statistics)

    return score
