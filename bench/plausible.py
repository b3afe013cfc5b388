"""Values that no honest run can have, found in its record alone: no model, no images, no torch.

Every rule follows from a definition of the protocol and has no false alarms; what it lets pass
may still be made up, which `bench.recompute` finds.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from bench.flags import FLAGS, flags_of
from bench.protocol import METRICS, PROTOCOLS, Protocol
from bench.records import CONDITIONS, Finding, Run, Score, from_json

SHARES = (
    "accuracy",
    "zero_gradient_share",
    "layer_sparsity",
    "sparsity",
    "top_class_share",
    "saturated_share",
    "tied_share",
    "denormal_share",
    "tiny_share",
)
COUNTS = ("parameters", "nonzero", "macs_dense", "macs_sparse", "size_bytes", "peak_memory_bytes")
ONE_BY_ONE = ("adversarial", "shift")  # tasks that turn each test image into one other
BY_EVIDENCE = ("msp", "gradnorm")  # detectors that see every image of a set
KNOWN = {protocol.id.sha256: protocol for protocol in PROTOCOLS.values()}
WHOLE = 1e-6  # from a whole number, after a product of float64
CLOSE = 1e-12  # the same sum in another order
FLOAT32 = 1e-5  # what sums of float32 answers may be off, and logarithms of them


def impossible(record: Mapping[str, Any]) -> list[Finding]:
    """Everything in a run record that cannot be.

    Args:
        record: As `bench.records.to_json` gives it, from a store or a file.

    Returns:
        One finding a contradiction; none for an honest run of any protocol. A record older than
        trust levels has an id of another definition, which is not checked.
    """
    try:
        run = from_json(record)
    except ValueError as error:
        return [Finding("record", f"cannot be read: {error}")]
    found = list(ranges(run)) or [f for rule in RULES.values() for f in rule(run)]
    if "trust" in record and record.get("run_id") != run.run_id:
        what = f"got {record.get('run_id')}, its content gives {run.run_id}"
        found.append(Finding("run_id", what))
    return found


def protocol_of(run: Run) -> Protocol | None:
    """The protocol of the run's content hash; None if this program does not know it."""
    return KNOWN.get(run.protocol.sha256)


def names(run: Run) -> Iterator[Finding]:
    """Protocol and metrics are among those that exist."""
    protocol = protocol_of(run)
    if protocol is not None and protocol.id != run.protocol:
        yield Finding("protocol", f"got {run.protocol}, its hash is that of {protocol.id}")
    for score in run.scores:
        if score.metric not in METRICS:
            yield Finding(_name(score), "no such metric")


def ranges(run: Run) -> Iterator[Finding]:
    """Values within the range of their metric, of something, with errors of at least 0."""
    who = run.submission
    yield from _between("measured_sparsity", who.measured_sparsity, 0, 1, 0)
    yield from _between("declared_sparsity", who.declared_sparsity, 0, 1, 0)
    yield from _between("seconds", run.seconds, 0, math.inf, 0)
    for score in run.scores:
        if score.stderr is not None and score.stderr < 0:
            yield Finding(_name(score), f"got the standard error {score.stderr}")
        if score.value is None or score.metric not in METRICS:
            continue
        metric = METRICS[score.metric]
        yield from _between(_name(score), score.value, metric.low, metric.high, 0)
        if score.n < 1:
            yield Finding(_name(score), f"got a value of n = {score.n}")


def rows(run: Run) -> Iterator[Finding]:
    """Every score once; of a whole run of a known protocol, every condition is there."""
    keys = Counter((s.task, s.set, s.metric, *_conditions(s)) for s in run.scores)
    for key, times in keys.items():
        if times > 1:
            yield Finding(" ".join(str(part) for part in key if part), f"is there {times} times")
    protocol = protocol_of(run)
    if protocol is None or "partial" in run.flags:
        return
    expected: dict[str, set[tuple[Any, ...]]] = {
        "task": {(task,) for task in protocol.tasks},
        "attack": {("adversarial", *attack) for attack in protocol.attacks},
        "corruption": {("shift", *c) for c in product(protocol.corruptions, protocol.severities)},
        "detector": {
            (task, *one)
            for task, names in protocol.detectors
            for one in product(names, protocol.detector_batch_sizes)
        },
    }
    present: dict[str, set[tuple[Any, ...]]] = {
        "task": {(s.task,) for s in run.scores},
        "attack": {(s.task, s.attack, s.epsilon) for s in run.scores},
        "corruption": {(s.task, s.corruption, s.severity) for s in run.scores},
        "detector": {(s.task, s.detector, s.batch_size) for s in run.scores},
    }
    for what, wanted in expected.items():
        for key in sorted(wanted - present[what], key=str):
            if key[0] in protocol.tasks:
                yield Finding(" ".join(map(str, key)), f"no score of this {what}")


def flags(run: Run) -> Iterator[Finding]:
    """The flags that follow from the numbers, and no other of them."""
    if protocol_of(run) is None:  # its flags were given by other numbers
        return
    stored = {name for name in run.flags if name in FLAGS and FLAGS[name].rule}
    if stored != (derived := set(flags_of(run))):
        yield Finding("flags", f"got {sorted(stored)}, its numbers give {sorted(derived)}")


def sizes(run: Run) -> Iterator[Finding]:
    """As many images as the clean test set has, and no more than the limit."""
    images = _test_images(run)
    for score in run.scores:
        if score.value is None or images is None:
            continue
        if score.task in ONE_BY_ONE and score.detector is None and score.n != images:
            yield Finding(_name(score), f"got n = {score.n}, the test set has {images}")
        if score.task in ONE_BY_ONE and score.detector in BY_EVIDENCE:
            groups = _groups(images, score)
            if score.n != 2 * groups:
                yield Finding(_name(score), f"got n = {score.n}, expected twice {groups} groups")
        if run.limit and (score.batch_size or score.metric == "accuracy"):
            most = _groups(run.limit, score) * (2 if score.batch_size else 1)
            if score.n > most:
                yield Finding(_name(score), f"got n = {score.n}, the limit leaves {most}")


def shares(run: Run) -> Iterator[Finding]:
    """A share of n is a whole number over n, with the standard error of a share."""
    images = _test_images(run)
    for score in run.scores:
        if score.value is None:
            continue
        of = _denominator(score, images)
        if of is not None and abs(score.value * of - round(score.value * of)) > WHOLE:
            yield Finding(_name(score), f"got {score.value}, which is no whole number of {of}")
        if score.metric == "accuracy" and score.stderr is not None and score.n:
            error = math.sqrt(max(score.value * (1 - score.value), 0) / score.n)
            if abs(score.stderr - error) > CLOSE:
                yield Finding(_name(score), f"got the standard error {score.stderr}, not {error}")


def gradients(run: Run) -> Iterator[Finding]:
    """The gradient of an attack is the same for each epsilon, so its zeros are."""
    zeros: dict[str | None, set[float | None]] = defaultdict(set)
    for score in run.scores:
        if score.metric == "zero_gradient_share" and score.task == "adversarial":
            zeros[score.attack].add(score.value)
    for attack, values in zeros.items():
        if len(values) > 1:
            yield Finding(f"adversarial {attack}", f"the shares of zeros differ: {values}")


def calibration(run: Run) -> Iterator[Finding]:
    """Bounds between accuracy, Brier scores and NLL.

    Of a wrong answer the label has at most probability ½: squared distance at least ½, NLL at
    least log 2. Of a right one the squared distance is below 1. d² ≤ √2 d, and a mean squared is
    at most the mean square (Jensen).
    """
    found = _values(run, "clean")
    accuracy, brier = found.get("accuracy"), found.get("brier")
    distance, nll = found.get("brier_l2"), found.get("nll")
    if accuracy is not None:
        wrong = 1 - accuracy
        yield from _between("clean brier", brier, wrong / 2, 2 * wrong + accuracy)
        yield from _between("clean brier_l2", distance, wrong * math.sqrt(0.5), math.sqrt(2))
        yield from _between("clean nll", nll, wrong * math.log(2), math.inf)
    if brier is not None:
        yield from _between("clean brier_l2", distance, brier / math.sqrt(2), math.sqrt(brier))


def detection(run: Run) -> Iterator[Finding]:
    """AUROC within what FPR95 leaves.

    At the threshold t, at least 0.95 of the in-distribution images score at most t, and more than
    0.05 at least t. The 1 - f anomalies above t win against the former; the f anomalies up to t
    get at most half a win against the latter.
    """
    pairs: dict[tuple[Any, ...], dict[str, float | None]] = defaultdict(dict)
    for score in run.scores:
        if score.detector is not None:
            pairs[score.task, score.set, *_conditions(score)][score.metric] = score.value
    for key, values in pairs.items():
        passed = values.get("fpr95")
        if passed is not None:
            name = " ".join(str(part) for part in key if part) + " auroc"
            low, high = 0.95 * (1 - passed), 1 - passed * 0.05 / 2
            yield from _between(name, values.get("auroc"), low, high)


def lipschitz(run: Run) -> Iterator[Finding]:
    """The lower bound is below the upper one."""
    found = _values(run, "lipschitz")
    lower, upper = found.get("lip_lower"), found.get("lip_upper_log10")
    if lower and lower > 0 and upper is not None:
        name = "lipschitz log10 of lip_lower"
        yield from _between(name, math.log10(lower), -math.inf, upper)


def cost(run: Run) -> Iterator[Finding]:
    """Counts are whole, sparse is at most dense, and the layers add up to the network."""
    found = _values(run, "cost")
    for metric in COUNTS:
        if found.get(metric, 0) % 1:
            yield Finding(f"cost {metric}", f"got {found[metric]}, expected a whole number")
    for less, more in (("macs_sparse", "macs_dense"), ("nonzero", "parameters")):
        if less in found and more in found and found[less] > found[more]:
            yield Finding(f"cost {less}", f"got {found[less]}, more than {more}, {found[more]}")
    measured = run.submission.measured_sparsity
    if "sparsity" in found and measured is not None:
        yield from _between("cost sparsity", found["sparsity"], measured, measured, CLOSE)
    weights = next((s.n for s in run.scores if s.metric == "sparsity" and s.value is not None), 0)
    if weights and "nonzero" in found:
        share = 1 - found["nonzero"] / weights
        yield from _between("cost sparsity", found.get("sparsity"), share, share, CLOSE)
        layers = [s for s in run.scores if s.metric == "layer_sparsity" and s.value is not None]
        left = sum((1 - (s.value or 0)) * s.n for s in layers)
        if layers and (sum(s.n for s in layers), round(left)) != (weights, found["nonzero"]):
            yield Finding("cost layer_sparsity", f"the layers add up to {left} nonzero weights")


RULES: Mapping[str, Callable[[Run], Iterator[Finding]]] = {
    "names": names,
    "flags": flags,
    "ranges": ranges,
    "rows": rows,
    "sizes": sizes,
    "shares": shares,
    "gradients": gradients,
    "calibration": calibration,
    "detection": detection,
    "lipschitz": lipschitz,
    "cost": cost,
}


def _conditions(score: Score) -> tuple[object, ...]:
    return tuple(getattr(score, name) for name in CONDITIONS)


def _name(score: Score) -> str:
    parts = (score.task, score.set, *_conditions(score), score.metric)
    return " ".join(str(part) for part in parts if part is not None)


def _values(run: Run, task: str) -> dict[str, float]:
    """Value of each metric of a task that has one set; layers of the network are no sets."""
    return {
        score.metric: score.value
        for score in run.scores
        if score.task == task and score.value is not None and score.metric != "layer_sparsity"
    }


def _test_images(run: Run) -> int | None:
    clean = (s.n for s in run.scores if s.task == "clean" and s.metric == "accuracy")
    return next(clean, None)


def _groups(images: int, score: Score) -> int:
    return -(-images // (score.batch_size or 1))


def _denominator(score: Score, images: int | None) -> int | None:
    """Of what a score is a whole number over it; None if that is not known."""
    if score.metric in SHARES:
        return score.n
    if images is None or score.detector not in BY_EVIDENCE:
        return None
    inside = _groups(images, score)
    wins = {"auroc": 2 * inside * (score.n - inside), "fpr95": score.n - inside}
    return wins.get(score.metric)


def _between(
    name: str, value: float | None, low: float, high: float, slack: float = FLOAT32
) -> Iterator[Finding]:
    if value is not None and not low - slack <= value <= high + slack:
        yield Finding(name, f"got {value:.9g}, expected [{low:.9g}, {high:.9g}]")
