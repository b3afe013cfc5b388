"""A random sample of a run's images, shown to the model again.

Whoever doubts a run draws a few of its images and compares. Nothing is stored.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import binomtest

from bench.attacks import ATTACKS
from bench.attacks.fgsm import input_gradients
from bench.data import Progress, Suite, shift_conditions, shifted_images, silent
from bench.errors import BenchError
from bench.inference import Evidence, batches, gather
from bench.plausible import protocol_of
from bench.protocol import Protocol
from bench.records import Run, Score
from bench.store import Outcome, outcome_key
from bench.submissions import LoadedSubmission

SAME = 1e-4  # of a probability: other batches, threads and processors change the last bits
STRAY = 0.01  # share of a sample that may differ: an attack can turn on one such bit
SURE = 0.999  # how often an interval holds the truth


@dataclass(frozen=True, slots=True)
class Claim:
    """A run, and what its answers can be made again from.

    Args:
        run: What is claimed.
        outcomes: Its stored answers by set; empty if only the scores are known.
        submission: The model, on `device`.
        suite: The images, of the run's limit.
        protocol: The constants.
        device: Where the model stands.
    """

    run: Run
    outcomes: Mapping[str, Outcome]
    submission: LoadedSubmission
    suite: Suite
    protocol: Protocol
    device: torch.device


@dataclass(frozen=True, slots=True)
class Sample:
    """The images of one task that were looked at again.

    Args:
        task: Which.
        n: Images drawn.
        hits: Of them, answered as stored; without stored answers, classified rightly.
        accuracy: What the run claims on the sets drawn; None where answers are compared.
    """

    task: str
    n: int
    hits: int
    accuracy: float | None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's for the share of hits among all images, at 99.9 %."""
        found = binomtest(self.hits, self.n).proportion_ci(SURE, "wilson")
        return float(found.low), float(found.high)


class Place(NamedTuple):
    """A set whose images can be made again.

    Args:
        task: Whose it is.
        key: Of its outcomes.
        size: Number of images.
        answer: Numbers of images -> the model's answers to them.
    """

    task: str
    key: str
    size: int
    answer: Callable[[np.ndarray], Evidence]


def recompute(claim: Claim, count: int, seed: int, progress: Progress = silent) -> list[Sample]:
    """Draws images, the same number of each task, and asks the model again.

    An answer is as stored if its probability is within 1e-4 and the stored class is the most
    probable one within 1e-4.

    Args:
        claim: Made by `claimed`.
        count: Images drawn in all, with replacement.
        seed: Of the draw.
        progress: Called with (what, done, total) after every set.

    Returns:
        A sample a task of which answers, or accuracies, are known.
    """
    if "likelihood" in claim.protocol.tasks:
        raise BenchError(
            "E-NOT-COMPARABLE",
            f"run {claim.run.run_id}: is of a flow, which answers with no class to be compared; "
            "bench evaluate scores it again",
        )
    known = claim.outcomes or _stored_accuracies(claim.run)
    places = [place for place in _places(claim) if place.key in known]
    if not places:
        raise BenchError(
            "E-NOT-COMPARABLE", f"run {claim.run.run_id}: no set of it can be made again here"
        )
    for place in places:
        stored = len(claim.outcomes[place.key].confidence) if claim.outcomes else place.size
        if stored != place.size:
            raise BenchError(
                "E-IMPOSSIBLE-VALUE",
                f"run {claim.run.run_id}: {place.key} has {stored} stored answers, its set has "
                f"{place.size} images",
            )
    drawn = _draw(places, count, np.random.default_rng(seed))
    found: dict[str, list[Sample]] = {}
    for done, (place, numbers) in enumerate(drawn, start=1):
        found.setdefault(place.task, []).append(_sample(claim, place, numbers))
        progress("recompute", done, len(drawn))
    return [_pooled(parts) for parts in found.values()]


def matches(samples: list[Sample]) -> bool:
    """Whether the samples bear the run out.

    Stored answers: none differs, but of the attacked images 1 in 100, or a single one. Accuracies:
    each lies in the interval of its sample, so that an honest run fails one time in 1000 a task.
    """
    strays = (
        s.n - s.hits <= (max(1, STRAY * s.n) if s.task == "adversarial" else 0)
        for s in samples
        if s.accuracy is None
    )
    likely = (
        s.interval[0] <= s.accuracy <= s.interval[1] for s in samples if s.accuracy is not None
    )
    return all(strays) and all(likely)


def claimed(
    run: Run,
    outcomes: Mapping[str, Outcome],
    submission: LoadedSubmission,
    suite: Suite,
    device: torch.device,
) -> Claim:
    """A claim whose protocol, model and images are the run's own.

    Raises:
        BenchError: E-NOT-COMPARABLE for another protocol or other images, E-ANOTHER-MODEL for
            other weights, architecture or normalisation.
    """
    protocol = protocol_of(run)
    if protocol is None:
        raise BenchError(
            "E-NOT-COMPARABLE",
            f"run {run.run_id}: protocol {run.protocol.version} {run.protocol.preset} of the hash "
            f"{run.protocol.sha256[:12]} is unknown here; use the version of the program that "
            f"scored it, {run.environment.bench} {run.environment.git_commit or ''}",
        )
    for name in ("weights_sha256", "architecture", "mean", "std"):
        got, expected = getattr(submission.record, name), getattr(run.submission, name)
        if got != expected:
            raise BenchError(
                "E-ANOTHER-MODEL", f"{name}: the model has {got}, the run is of {expected}"
            )
    for name, fingerprint in suite.fingerprints().items():
        if run.data.get(name, fingerprint) != fingerprint:
            raise BenchError(
                "E-NOT-COMPARABLE",
                f"{name}: the images here have the fingerprint {fingerprint[:12]}, the run was "
                f"made on {run.data[name][:12]}",
            )
    submission.model.to(device).eval()
    return Claim(run, outcomes, submission, suite, protocol, device)


def _sample(claim: Claim, place: Place, numbers: np.ndarray) -> Sample:
    with torch.backends.cudnn.flags(allow_tf32=False, deterministic=True):
        evidence = place.answer(numbers)
    if claim.outcomes:
        hits = _as_stored(evidence, claim.outcomes[place.key], numbers)
        return Sample(place.task, len(numbers), int(hits.sum()), None)
    right = evidence.predicted.numpy() == claim.suite.test.labels[numbers]
    accuracy = _stored_accuracies(claim.run)[place.key]
    return Sample(place.task, len(numbers), int(right.sum()), accuracy)


def _stored_accuracies(run: Run) -> dict[str, float]:
    tasks = ("clean", "adversarial", "shift")
    return {
        outcome_key(s): s.value
        for s in run.scores
        if s.task in tasks and s.metric == "accuracy" and s.value is not None
    }


def _places(claim: Claim) -> Iterator[Place]:
    suite, protocol, model = claim.suite, claim.protocol, claim.submission.model
    test, size = suite.test, protocol.batch_size

    def shown(images: np.ndarray, numbers: np.ndarray) -> Evidence:
        return gather(model, batches(images[numbers], size, claim.device), "the sample")

    def corrupted(condition: tuple[str, int], numbers: np.ndarray) -> Evidence:
        images = shifted_images(suite, *condition, numbers, seed=protocol.shift_seed)
        return shown(images, np.arange(len(numbers)))

    def unscaled(images: np.ndarray, numbers: np.ndarray) -> Evidence:
        stream = (batch.mul_(255) for batch in batches(images[numbers], size, claim.device))
        return gather(model.network, stream, "the sample")

    yield Place("clean", test.name, len(test.labels), partial(shown, test.images))
    for attack, epsilon in protocol.attacks:
        again = partial(_attacked, claim, attack, epsilon)
        about = Score.about("adversarial", test.name, attack=attack, epsilon=epsilon)
        yield Place("adversarial", outcome_key(about), len(test.labels), again)
    for condition in shift_conditions(suite):
        again = partial(corrupted, condition)
        corruption, severity = condition
        about = Score.about("shift", test.name, corruption=corruption, severity=severity)
        yield Place("shift", outcome_key(about), len(test.labels), again)
    for name, images in suite.outliers.items():
        yield Place("outliers", name, len(images.labels), partial(shown, images.images))
    if (odd := suite.out_of_domain) is not None:
        again = partial(unscaled, odd.images)
        yield Place("out-of-domain", f"{odd.name}×255", len(odd.labels), again)


def _attacked(claim: Claim, attack: str, epsilon: float, numbers: np.ndarray) -> Evidence:
    model, test, size = claim.submission.model, claim.suite.test, claim.protocol.batch_size
    network = model if claim.protocol.attack_gradient == "input" else model.network
    targets = torch.tensor(test.labels[numbers], device=claim.device).split(size)
    kind = ATTACKS[attack]

    moved = []  # now, since nothing has a gradient while answers are gathered
    stream = batches(test.images[numbers], size, claim.device)
    for images, labels in zip(stream, targets, strict=True):
        (gradient,) = input_gradients(network, images, labels, [kind.loss])
        moved.append(kind.step(images, gradient, epsilon))
    return gather(model, moved, "the attacked sample")


def _draw(
    places: list[Place], count: int, generator: np.random.Generator
) -> list[tuple[Place, np.ndarray]]:
    """Which images of which sets; tasks take turns, sets and images are drawn."""
    by_task: dict[str, list[int]] = {}
    for number, place in enumerate(places):
        by_task.setdefault(place.task, []).append(number)
    tasks = list(by_task.values())
    drawn: dict[int, list[int]] = {}
    for turn in range(count):
        chosen = int(generator.choice(tasks[turn % len(tasks)]))
        drawn.setdefault(chosen, []).append(int(generator.integers(places[chosen].size)))
    return [(places[number], np.sort(images)) for number, images in sorted(drawn.items())]


def _as_stored(evidence: Evidence, stored: Outcome, numbers: np.ndarray) -> np.ndarray:
    """(M,) bool: whether each answer is the stored one."""
    probabilities = evidence.log_probabilities.exp().numpy()
    best, classes = probabilities.max(1), stored.predicted[numbers].astype(int)
    real = classes < probabilities.shape[1]
    claimed = probabilities[np.arange(len(best)), np.where(real, classes, 0)]
    near = np.abs(best - stored.confidence[numbers]) <= SAME
    return np.asarray(real & near & (claimed >= best - SAME))


def _pooled(parts: list[Sample]) -> Sample:
    n = sum(part.n for part in parts)
    claims = [part.accuracy * part.n for part in parts if part.accuracy is not None]
    accuracy = math.fsum(claims) / n if claims else None
    return Sample(parts[0].task, n, sum(part.hits for part in parts), accuracy)
