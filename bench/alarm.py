"""A detector put to use: a threshold at a chosen rate of false alarms, and verdicts on images.

The threshold comes from training images that the detector's own statistics have not seen.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bench.data import ImageSet, Progress, SuiteSpec, silent
from bench.detectors import DETECTORS, Known, check_installed, drawn
from bench.detectors.known import PASS
from bench.errors import BenchError
from bench.inference import Exhibit, batches, gather, group_means
from bench.models import Normalised
from bench.models.glow import log_densities
from bench.models.kinds import kind_of
from bench.protocol import PROTOCOL

LIKELIHOOD = "likelihood"
HELD_OUT, MOST_HELD_OUT = 0.2, 5000  # share of the training images for the threshold, and at most
Scorer = Callable[[np.ndarray], Tensor]


@dataclass(frozen=True, slots=True)
class Watch:
    """What is asked for.

    Args:
        detector: Key of `bench.detectors.DETECTORS`, or `likelihood`, of flows.
        batch_size: Images that one score speaks for.
        false_alarms: Share of groups of ordinary images that may be called anomalous, in (0, 1).

    Raises:
        BenchError: E-BAD-VALUE for a detector that is none, or a rate out of range;
            E-MISSING-PACKAGE for one of pytorch-ood without that package.
    """

    detector: str
    batch_size: int
    false_alarms: float

    def __post_init__(self) -> None:
        if self.detector not in (known := [*DETECTORS, LIKELIHOOD]):
            raise BenchError(
                "E-BAD-VALUE", f"detector: got {self.detector!r}, expected one of {known}"
            )
        check_installed([self.detector])
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
        BenchError: E-BAD-VALUE if there are too few training images to tell such a rate, or the
            detector is not of such a model.
    """
    flow = kind_of(model) == "flow"
    if flow != (watch.detector == LIKELIHOOD):
        raise BenchError(
            "E-BAD-VALUE",
            f"detector: got {watch.detector} for a {kind_of(model)}; a flow detects by "
            f"{LIKELIHOOD}, and nothing else does",
        )
    order = np.random.default_rng(0).permutation(len(training.labels))
    count = min(int(len(order) * HELD_OUT), MOST_HELD_OUT)
    groups = count // watch.batch_size
    if groups * watch.false_alarms < 1:
        raise BenchError(
            "E-BAD-VALUE",
            f"false alarms: got {watch.false_alarms:g} at batch size {watch.batch_size}; {count} "
            f"held-out training images make {groups} groups, too few to tell such a rate",
        )
    sample = drawn(training, order[count:], PROTOCOL.fit_images)
    known = Known(model, sample, spec.augment, PROTOCOL.sensitivity_batch, PROTOCOL.viewed)
    score = (_density_scorer if flow else _scorer)(known, watch, progress)
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


def _reported(images: np.ndarray, known: Known, progress: Progress) -> Iterator[Tensor]:
    for done, batch in enumerate(batches(images, PASS, known.device)):
        progress("images", done * PASS, len(images))
        yield batch
    progress("images", len(images), len(images))


def _density_scorer(known: Known, watch: Watch, progress: Progress) -> Scorer:
    """Minus the mean log-density of a group."""

    def score(images: np.ndarray) -> Tensor:
        stream = _reported(images, known, progress)
        return -group_means(log_densities(known.model, stream, "the images"), watch.batch_size)

    return score


def _scorer(known: Known, watch: Watch, progress: Progress) -> Scorer:
    judge = DETECTORS[watch.detector](known)

    def score(images: np.ndarray) -> Tensor:
        evidence = gather(known.model, _reported(images, known, progress), "the images")
        shown = Exhibit(
            evidence,
            lambda size: batches(images, size, known.device),
            progress=progress,
        )
        return judge(shown, watch.batch_size)

    return score
