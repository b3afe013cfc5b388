"""Accuracy under single-step attacks, and whether they are noticed."""

from collections import Counter, defaultdict
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from bench.attacks import ATTACKS
from bench.attacks.fgsm import Loss, gives_no_direction, input_gradients
from bench.classification import accuracy_score
from bench.detection import compared, detection_scores
from bench.inference import Case, Evidence, Exhibit, Findings, batches, gather
from bench.records import Score
from bench.store import outcome_key

AttackAtEpsilon = tuple[str, float]


class Attacked(NamedTuple):
    """The test images under every attack of the protocol.

    Args:
        answers: (attack, epsilon) -> evidence.
        first: (N, C, H, W) float32 on the CPU, the images under the first of them.
        zero_gradients: attack -> images whose gradient is zero.
    """

    answers: dict[AttackAtEpsilon, Evidence]
    first: Tensor
    zero_gradients: Counter[str]


def adversarial(case: Case) -> Findings:
    """Accuracy, detection and the share of zero gradients of every attack.

    All test images are attacked, also misclassified ones. The first attack is looked for by all
    detectors, the others by MSP.
    """
    labels = torch.tensor(case.suite.test.labels)
    found, inside = _attacked(case, labels), -case.clean.msp
    scores, outcomes = [], {}
    for key, evidence in found.answers.items():
        attack, epsilon = key
        about = Score.about("adversarial", case.suite.test.name, attack=attack, epsilon=epsilon)
        scores.append(accuracy_score(about, evidence.log_probabilities, labels))
        gone = found.zero_gradients[attack] / len(labels)
        scores.append(about.measured("zero_gradient_share", gone, len(labels)))
        if key == case.protocol.attacks[0]:
            scores += detection_scores(case, about, _exhibit(case, evidence, found.first))
        else:
            single = replace(about, detector="msp", batch_size=1)
            scores += compared(single, inside, -evidence.msp)
        outcomes[outcome_key(about)] = evidence.outcome
    return Findings(scores, outcomes)


def _attacked(case: Case, labels: Tensor) -> Attacked:
    """One forward pass and one gradient a loss serve all attacks of a batch."""
    answers: dict[AttackAtEpsilon, list[Evidence]] = defaultdict(list)
    zero_gradients: Counter[str] = Counter()
    first = []
    targets = labels.split(case.protocol.batch_size)
    stream = batches(case.suite.test.images, case.protocol.batch_size, case.device)
    for done, (images, truth) in enumerate(zip(stream, targets, strict=True), start=1):
        gradients = _gradients(case, images, truth.to(case.device))
        for name in {name for name, _ in case.protocol.attacks}:
            still = gives_no_direction(gradients[ATTACKS[name].loss])
            zero_gradients[name] += int(still.sum())
        for key in case.protocol.attacks:
            attack = ATTACKS[key[0]]
            moved = attack.step(images, gradients[attack.loss], key[1])
            name = f"{case.suite.test.name} under {key[0]}"
            answers[key].append(gather(case.submission.model, [moved], name))
            if key == case.protocol.attacks[0]:
                first.append(moved.cpu())
        case.progress("adversarial", done, len(targets))
    joined = {key: Evidence.joined(parts) for key, parts in answers.items()}
    return Attacked(joined, torch.cat(first), zero_gradients)


def _exhibit(case: Case, evidence: Evidence, images: Tensor) -> Exhibit:
    return Exhibit(
        evidence,
        lambda size: (part.to(case.device) for part in images.split(size)),
        case.protocol.gradient_groups,
        case.progress,
    )


def _gradients(case: Case, images: Tensor, labels: Tensor) -> dict[Loss, Tensor]:
    """Gradient of each loss that the protocol's attacks follow."""
    model = case.submission.model
    network = model if case.protocol.attack_gradient == "input" else model.network
    losses = list(dict.fromkeys(ATTACKS[attack].loss for attack, _ in case.protocol.attacks))
    return dict(zip(losses, input_gradients(network, images, labels, losses), strict=True))
