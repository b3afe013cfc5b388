"""Accuracy under single-step attacks, and whether they are noticed."""

from collections import Counter, defaultdict

import torch
from torch import Tensor

from bench import metrics
from bench.attacks import ATTACKS
from bench.attacks.fgsm import Loss, input_gradients
from bench.detection import DETECTION
from bench.inference import Case, Evidence, Findings, batches, gather
from bench.records import Score

AttackAtEpsilon = tuple[str, float]


def adversarial(case: Case) -> Findings:
    """Accuracy, MSP detection and the share of zero gradients of every attack.

    All test images are attacked, also misclassified ones. One forward pass and one gradient a
    loss serve all attacks of a batch.
    """
    labels = torch.tensor(case.suite.test.labels)
    answers: dict[AttackAtEpsilon, list[Evidence]] = defaultdict(list)
    zero_gradients: Counter[str] = Counter()
    targets = labels.split(case.protocol.batch_size)
    stream = batches(case.suite.test.images, case.protocol.batch_size, case.device)
    for done, (images, truth) in enumerate(zip(stream, targets, strict=True), start=1):
        gradients = _gradients(case, images, truth.to(case.device))
        for attack in {attack for attack, _ in case.protocol.attacks}:
            still = gradients[ATTACKS[attack].loss].flatten(1) == 0
            zero_gradients[attack] += int(still.all(1).sum())
        for attack, epsilon in case.protocol.attacks:
            attacked = ATTACKS[attack].step(images, gradients[ATTACKS[attack].loss], epsilon)
            name = f"{case.suite.test.name} under {attack}"
            answers[attack, epsilon].append(gather(case.submission.model, [attacked], name))
        case.progress("adversarial", done, len(targets))

    joined = {key: Evidence.joined(parts) for key, parts in answers.items()}
    scores = [
        score
        for key, evidence in joined.items()
        for score in _scores(case, key, evidence, zero_gradients[key[0]] / len(labels))
    ]
    outcomes = {f"{attack}@{eps:.4f}": found.outcome for (attack, eps), found in joined.items()}
    return Findings(scores, outcomes)


def _gradients(case: Case, images: Tensor, labels: Tensor) -> dict[Loss, Tensor]:
    """Gradient of each loss that the protocol's attacks follow."""
    model = case.submission.model
    network = model if case.protocol.attack_gradient == "input" else model.network
    losses = list(dict.fromkeys(ATTACKS[attack].loss for attack, _ in case.protocol.attacks))
    return dict(zip(losses, input_gradients(network, images, labels, losses), strict=True))


def _scores(
    case: Case, key: AttackAtEpsilon, evidence: Evidence, zero_gradient_share: float
) -> list[Score]:
    labels = torch.tensor(case.suite.test.labels)
    accuracy = metrics.accuracy(evidence.log_probabilities, labels)
    n = len(labels)
    values: dict[str, tuple[float, int, float | None]] = {
        "accuracy": (accuracy, n, metrics.binomial_stderr(accuracy, n)),
        "zero_gradient_share": (zero_gradient_share, n, None),
    }
    for metric, measure in DETECTION.items():
        values[metric] = (measure(-case.clean.msp, -evidence.msp), 2 * n, None)
    return [
        Score(
            task="adversarial",
            set=case.suite.test.name,
            attack=key[0],
            epsilon=key[1],
            detector="msp" if metric in DETECTION else None,
            batch_size=1 if metric in DETECTION else None,
            metric=metric,
            value=value,
            n=count,
            stderr=stderr,
        )
        for metric, (value, count, stderr) in values.items()
    ]
