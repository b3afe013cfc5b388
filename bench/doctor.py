"""Is a model what its owner thinks it is? Checks of seconds, before anything is scored.

Each check looks at the first test images of a suite and says what it found and what to do.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import cross_entropy

from bench import metrics
from bench.attacks.fgsm import gives_no_direction, input_gradients
from bench.data import SUITES, ImageSet
from bench.degeneracy import saturated_share, top_class_share
from bench.errors import BenchError
from bench.flags import CONSTANT, MASKED, ROUNDED, SATURATED
from bench.inference import are_probabilities, batches
from bench.models import Normalised
from bench.models.kinds import kind_of
from bench.models.sparsity import TINY, near_zero
from bench.submissions import LoadedSubmission

IMAGES = 256
CLOSE = 1e-3  # between the log-probabilities of one image, asked twice; of their size, if larger
CHANCES = 3  # times chance that an accuracy must be to mean anything
GAIN = 0.05  # of accuracy, that another normalisation must bring to be worth a word
USUAL_SIZE = 3  # median |answer| of a trained network
MEANT = 0.01  # share of all weights that are tiny, from which on they may have been meant as zeros
USUAL = {"none": ((), ()), "0.5:0.5": ((0.5,), (0.5,)), "0:0.00392157": ((0.0,), (1 / 255,))}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check found.

    Args:
        check: What was asked.
        found: The answer.
        fix: What to do; empty where all is well.
    """

    check: str
    found: str
    fix: str = ""


@dataclass(frozen=True, eq=False)
class Patient:
    """A model and the images that it is asked about.

    Args:
        submission: On its device, in evaluation mode.
        test: The first test images of a suite.
        device: The model's.
    """

    submission: LoadedSubmission
    test: ImageSet
    device: torch.device

    @property
    def model(self) -> Normalised:
        """The network behind its declared normalisation."""
        return self.submission.model

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        return torch.from_numpy(self.test.labels)

    @cached_property
    def images(self) -> Tensor:
        """(N, C, H, W) float32 in [0, 1] on the device."""
        (images,) = batches(self.test.images, len(self.test.images), self.device)
        return images

    @cached_property
    def answers(self) -> Tensor:
        """(N, K) float32 on the CPU, as the model gives them."""
        return self.ask(self.model, self.images)

    @torch.inference_mode()
    def ask(self, model: Normalised, images: Tensor) -> Tensor:
        """(N, K) float32 on the CPU."""
        return model(images).float().cpu()

    def accuracy(self, answers: Tensor) -> float:
        """Share of right answers; that of NaN is 0."""
        return 0.0 if answers.isnan().any() else metrics.accuracy(answers, self.labels)


def diagnose(patient: Patient) -> list[Diagnosis]:
    """All checks, in the order in which they are best read; of broken answers the first alone.

    Raises:
        BenchError: E-BAD-VALUE for a flow.
    """
    if kind_of(patient.model) == "flow":
        raise BenchError(
            "E-BAD-VALUE",
            "a flow has no classes to be examined; look at its samples.png, at bench inspect and "
            "at the bits per dimension of bench evaluate",
        )
    sound = bool(patient.answers.isfinite().all())
    return [check(patient) for check in (CHECKS if sound else CHECKS[:1])]


def answers_with(patient: Patient) -> Diagnosis:
    """Logits, log-probabilities or probabilities."""
    answers, asked = patient.answers, "answers"
    if not answers.isfinite().all():
        return Diagnosis(asked, "not all finite numbers", "see the weights with `bench inspect`")
    if are_probabilities(answers):
        return Diagnosis(
            asked,
            "probabilities",
            "let the network end before its softmax: the scores take the softmax themselves",
        )
    if answers.double().logsumexp(1).abs().max() < CLOSE:
        return Diagnosis(asked, "log-probabilities")
    return Diagnosis(asked, "logits")


def normalisation(patient: Patient) -> Diagnosis:
    """Whether another of the usual input normalisations gives a better accuracy."""
    channels = patient.images.shape[1]
    tried = {
        name: patient.accuracy(
            patient.ask(
                Normalised(patient.model.network, *stats).to(patient.device), patient.images
            )
        )
        for name, stats in candidates(channels, patient.test.name).items()
    }
    declared = patient.accuracy(patient.answers)
    best = max(tried, key=lambda name: tried[name])
    found = f"accuracy {declared:.3f} as declared, {tried[best]:.3f} with {best}"
    if tried[best] <= max(declared + GAIN, CHANCES / patient.answers.shape[1]):
        return Diagnosis("normalisation", found)
    mean, std = candidates(channels, patient.test.name)[best]
    return Diagnosis(
        "normalisation",
        found,
        f"--normalize {best}, or in submission.toml: [input] mean = {list(mean)}, "
        f"std = {list(std)}",
    )


def candidates(channels: int, suite: str) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """The usual normalisations of images of so many channels: name -> mean, std.

    Each is there once; of suites that share one, under the name of that which is asked about.
    """
    suites = {name: (spec.mean, spec.std) for name, spec in SUITES.items()}
    imagenet = {",".join(map(str, IMAGENET[0])) + ":" + ",".join(map(str, IMAGENET[1])): IMAGENET}
    spread = {
        name: (mean * channels, std * channels) for name, (mean, std) in USUAL.items() if mean
    }
    every = {"none": USUAL["none"], **suites, **spread, **imagenet}
    first = sorted(every, key=lambda name: name != suite)
    names = {every[name]: name for name in reversed(first) if len(every[name][0]) in (0, channels)}
    return {name: stats for stats, name in names.items()}


def classes(patient: Patient) -> Diagnosis:
    """Whether the classes are in the suite's order, and all of them are answered with."""
    answers, labels = patient.answers, patient.labels
    predicted = answers.argmax(1)
    most = top_class_share(answers)
    if most > CONSTANT:
        return Diagnosis(
            "classes",
            f"class {int(predicted.mode().values)} for {most:.0%} of the images",
            "is it trained, and is the normalisation right? constant answers look robust",
        )
    count = answers.shape[1]
    table = torch.zeros(count, count).index_put_(
        (predicted, labels), torch.ones(len(labels)), accumulate=True
    )
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    renamed = float(table[rows, columns].sum()) / len(labels)
    found = f"accuracy {patient.accuracy(answers):.3f}"
    if renamed <= patient.accuracy(answers) + 0.3:
        chance = patient.accuracy(answers) < CHANCES / count
        fix = f"near chance: is it trained, and on {patient.test.name}?" if chance else ""
        return Diagnosis("classes", found, fix)
    order = [int(row) for row in torch.tensor(rows)[torch.tensor(columns).argsort()]]
    return Diagnosis(
        "classes",
        f"{found}, {renamed:.3f} with the classes renamed",
        f"the network's class order is another; take the rows {order} of its last layer",
    )


def repeats(patient: Patient) -> Diagnosis:
    """Whether an image has one answer: asked again, and alone in its batch."""
    first = patient.answers.log_softmax(1)
    again = patient.ask(patient.model, patient.images).log_softmax(1)
    if not torch.equal(first, again):
        return Diagnosis(
            "repeatable",
            f"answers differ from pass to pass by up to {float((first - again).abs().max()):.2g}",
            "something is drawn at random in forward: dropout by the functional, called with "
            "training=True?",
        )
    few = patient.images[:8]
    alone = torch.cat([patient.ask(patient.model, image[None]) for image in few]).log_softmax(1)
    moved = float((first[: len(few)] - alone).abs().max())
    if moved > CLOSE * max(1.0, float(alone.abs().max())):
        return Diagnosis(
            "repeatable",
            f"an image's answer depends on the others in its batch, by up to {moved:.2g}",
            "a normalisation over the batch: BatchNorm without running statistics?",
        )
    return Diagnosis("repeatable", "the same answer again, and alone in a batch")


def gradients(patient: Patient) -> Diagnosis:
    """Whether attacks by gradients can see anything."""
    (slopes,) = input_gradients(
        patient.model, patient.images, patient.labels.to(patient.device), [cross_entropy]
    )
    gone = float(gives_no_direction(slopes).double().mean())
    size = float(patient.answers.abs().median())
    found = f"zero for {gone:.1%} of the images; median |answer| {size:.3g}"
    if gone <= MASKED:
        return Diagnosis("gradients", found)
    if size <= USUAL_SIZE:
        return Diagnosis(
            "gradients", found, "the answers do not depend on the image: see `bench inspect`"
        )
    return Diagnosis(
        "gradients",
        found,
        f"the answers are too large for float32: divide weight and bias of the last layer by "
        f"{max(2, math.ceil(size / USUAL_SIZE))}; accuracy stays, and attacks are masked no more",
    )


def saturation(patient: Patient) -> Diagnosis:
    """Whether confidences can rank images."""
    share = saturated_share(patient.answers.log_softmax(1))
    found = f"exactly 1 for {share:.1%} of the images"
    if share <= SATURATED:
        return Diagnosis("confidence", found)
    return Diagnosis(
        "confidence", found, "saturated: outliers cannot be told apart by it; scale the logits down"
    )


def sparsity(patient: Patient) -> Diagnosis:
    """Measured against declared, and weights that were meant to be zero."""
    record = patient.submission.record
    weights = near_zero(patient.model)
    measured, declared = record.measured_sparsity, record.declared_sparsity
    found = f"measured {measured:.4f}" if measured is not None else "not known"
    found += f", declared {declared:g}" if declared is not None else ""
    if weights.tiny > MEANT:
        return Diagnosis(
            "sparsity",
            f"{found}; {round(weights.tiny * weights.count):,} weights are nonzero but below "
            f"{TINY:g}",
            f"w[w.abs() < {TINY:g}] = 0 before saving: pruned or decayed, they count as kept",
        )
    if record.structure == "structured" or measured is None or declared is None:
        return Diagnosis("sparsity", found)
    if abs(measured - declared) <= ROUNDED:
        return Diagnosis("sparsity", found)
    return Diagnosis(
        "sparsity",
        found,
        "declare what is measured, or apply the masks before saving: "
        "torch.nn.utils.prune.remove(layer, 'weight')",
    )


CHECKS: tuple[Callable[[Patient], Diagnosis], ...] = (
    answers_with,
    normalisation,
    classes,
    repeats,
    gradients,
    saturation,
    sparsity,
)
