"""Batches, one forward pass an image set, and what the tasks may look at.

One pass yields the `Evidence` that accuracy, calibration and every cheap detector share.
No score is computed here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bench.data import ImageSet, Progress, Suite, silent
from bench.errors import BenchError
from bench.models.recorder import SAME, Recorder
from bench.protocol import Protocol
from bench.records import Score
from bench.store import Outcome
from bench.submissions import LoadedSubmission


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Answers of a model to N images, in their order.

    Args:
        logits: (N, K) float32 on the CPU, as the model answers.
        features: (N, D) float32 on the CPU, the input of the layer that gives the logits; None
            where no single layer does.
    """

    logits: Tensor
    features: Tensor | None

    @classmethod
    def joined(cls, parts: "Sequence[Evidence]") -> "Evidence":
        """The evidence of several batches, one after the other."""
        features = [part.features for part in parts if part.features is not None]
        whole = len(features) == len(parts)
        return cls(
            torch.cat([part.logits for part in parts]), torch.cat(features) if whole else None
        )

    @property
    def head_inputs(self) -> Tensor:
        """The features.

        Raises:
            BenchError: E-NO-FEATURES if there are none.
        """
        if self.features is None:
            raise BenchError(
                "E-NO-FEATURES", "no one layer gives the answers, so there are no features"
            )
        return self.features

    @property
    def log_probabilities(self) -> Tensor:
        """(N, K) float32; every row's exponentials sum to 1."""
        return self.logits.log_softmax(1)

    @property
    def predicted(self) -> Tensor:
        """(N,) int64: the most probable class."""
        return self.log_probabilities.argmax(1)

    @property
    def msp(self) -> Tensor:
        """(N,) float32 in [1/K, 1]: maximum softmax probability; higher = in-distribution."""
        return self.log_probabilities.max(1).values.exp()

    @property
    def outcome(self) -> Outcome:
        """What is kept of every image: predicted class and MSP."""
        return Outcome(predicted=self.predicted.numpy(), confidence=self.msp.numpy())


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """N images that detectors judge, in groups of consecutive ones.

    Args:
        evidence: The model's answers to them.
        batches: The images themselves: batch size -> consecutive batches, (B, C, H, W) float32 as
            the model takes them, on its device; the last may be smaller.
        most: Groups that a detector by gradients looks at; None for all.
        progress: Called with (what, done, total) as such a detector goes on.
    """

    evidence: Evidence
    batches: Callable[[int], Iterator[Tensor]]
    most: int | None = None
    progress: Progress = silent

    def groups(self, batch_size: int) -> Iterator[Tensor]:
        """The batches of the first `most` groups."""
        total = -(-len(self.evidence.logits) // batch_size)
        total = min(total, self.most or total)
        for done, group in enumerate(islice(self.batches(batch_size), total)):
            self.progress("groups of images", done, total)
            yield group
        self.progress("groups of images", total, total)


Detector = Callable[[Exhibit, int], Tensor]  # batch size -> scores of groups; higher = anomalous


class Watcher:
    """A detector of a model, made ready when it is first asked, and its view of the clean images.

    Args:
        prepare: Makes it ready; asked once, also if it fails.
        clean: Shows the in-distribution images.
    """

    def __init__(self, prepare: Callable[[], Detector], clean: Callable[[], Exhibit]) -> None:
        self._prepare, self._clean = prepare, clean
        self._inside: dict[int, Tensor] = {}

    @cached_property
    def _ready(self) -> Detector | BenchError:
        try:
            return self._prepare()
        except BenchError as error:
            return error

    def score(self, exhibit: Exhibit, batch_size: int) -> Tensor:
        """Scores of the groups of an exhibit.

        Raises:
            BenchError: Why there is no such detector of this model, or no score.
        """
        if isinstance(self._ready, BenchError):
            raise self._ready
        return self._ready(exhibit, batch_size)

    def inside(self, batch_size: int) -> Tensor:
        """Scores of the groups of clean images; errors as `score`."""
        if batch_size not in self._inside:
            self._inside[batch_size] = self.score(self._clean(), batch_size)
        return self._inside[batch_size]


class Findings(NamedTuple):
    """What a task returns: its scores, and the per-image outcomes of the sets it looked at."""

    scores: list[Score]
    outcomes: Mapping[str, Outcome] = {}


@dataclass(frozen=True, slots=True)
class Case:
    """What a task may look at.

    Args:
        submission: The loaded model and who it is.
        suite: The image sets.
        protocol: The constants.
        device: Where the model stands.
        look: Gives the evidence of the clean test set, which all tasks share.
        watchers: The detectors of the protocol.
        progress: Called with (what, done, total) as work goes on.
    """

    submission: LoadedSubmission
    suite: Suite
    protocol: Protocol
    device: torch.device
    look: Callable[[], Evidence]
    watchers: Mapping[str, Watcher]
    progress: Progress

    @property
    def clean(self) -> Evidence:
        """Evidence of the clean test set."""
        return self.look()


def batches(images: np.ndarray, batch_size: int, device: torch.device) -> Iterator[Tensor]:
    """Consecutive batches of uint8 images as float32 in [0, 1] on the device.

    Args:
        images: (N, C, H, W) uint8; may be memory-mapped.
        batch_size: Images of one batch; the last may be smaller.
        device: Where the batches go.

    Yields:
        (B, C, H, W) float32.
    """
    for start in range(0, len(images), batch_size):
        block = torch.from_numpy(np.array(images[start : start + batch_size]))
        yield block.to(device).float().div_(255)


def groups(values: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Consecutive groups of rows, many groups at a time.

    Args:
        values: (N, ...).
        batch_size: Rows of one group.

    Yields:
        (G, batch_size, ...) blocks of at most 256 groups; then (1, rest, ...) if rows are left.
    """
    whole = len(values) - len(values) % batch_size
    yield from values[:whole].unflatten(0, (-1, batch_size)).split(256)
    if whole < len(values):
        yield values[whole:].unsqueeze(0)


def group_means(values: Tensor, batch_size: int) -> Tensor:
    """Mean of every group of consecutive rows: (N,) to (⌈N / batch_size⌉,)."""
    return torch.cat([block.mean(1) for block in groups(values, batch_size)])


@torch.inference_mode()
def gather(network: nn.Module, stream: Iterable[Tensor], name: str) -> Evidence:
    """One forward pass over a stream of batches.

    Args:
        network: Answers (B, C, H, W) float32 with (B, K) logits or log-probabilities.
        stream: Batches on the network's device.
        name: Name of the image set, for the error.

    Returns:
        The evidence of all images in order.

    Raises:
        BenchError: E-BAD-OUTPUT if an answer is not finite, or all are probabilities.
    """
    parts = []
    with Recorder(network) as recorder:
        for batch in stream:
            answers = network(batch).float().cpu()
            if not answers.log_softmax(1).isfinite().all():
                raise BenchError(
                    "E-BAD-OUTPUT",
                    f"the model's answers on {name} are not all finite numbers, "
                    "so no score can be given; see its weights with `bench inspect`",
                )
            parts.append(Evidence(answers, recorder.features(answers)))
    found = Evidence.joined(parts)
    if are_probabilities(found.logits):
        raise BenchError(
            "E-BAD-OUTPUT",
            f"the model's answers on {name} are probabilities, expected logits or their "
            "logarithms: let it end before its softmax, the scores take the softmax themselves",
        )
    return found


def are_probabilities(answers: Tensor) -> bool:
    """Whether all rows of (N, K) answers are distributions."""
    return bool((answers >= 0).all() and ((answers.double().sum(1) - 1).abs() < SAME).all())


def look_at(
    model: nn.Module, images: ImageSet, protocol: Protocol, device: torch.device
) -> Evidence:
    """One forward pass of a model over an image set, in the protocol's batches."""
    return gather(model, batches(images.images, protocol.batch_size, device), images.name)


def exhibit(
    evidence: Evidence,
    images: ImageSet,
    protocol: Protocol,
    device: torch.device,
    progress: Progress = silent,
) -> Exhibit:
    """An image set, of which detectors by gradients see as much as the protocol says."""
    return Exhibit(
        evidence,
        lambda size: batches(images.images, size, device),
        protocol.gradient_groups,
        progress,
    )
