"""The whole evaluation against the bare forward and backward passes that it cannot do without."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.data import Suite, load_suite, prepare_shifts, shift_conditions
from bench.evaluation import evaluate
from bench.models import Normalised, build
from bench.protocol import PROTOCOL
from bench.submissions import LoadedSubmission, described
from tests.performance.timing import seconds

SIZE = PROTOCOL.batch_size
FORWARD = replace(  # the standard protocol without SensNorm, whose passes have a test of their own
    PROTOCOL, detectors=tuple((task, ("msp", "gradnorm")) for task, _ in PROTOCOL.detectors)
)


def fresh(architecture: str, suite: Suite) -> LoadedSubmission:
    network = build(architecture, channels=suite.spec.shape[0])
    return described(
        architecture, architecture, Normalised(network, suite.spec.mean, suite.spec.std)
    )


def sizes(suite: Suite) -> Iterator[int]:
    """Images of every forward pass: clean, attacked, shifted, outliers, out of domain."""
    test = len(suite.test.labels)
    yield from [test] * (1 + len(PROTOCOL.attacks) + len(shift_conditions(suite)))
    yield from (len(images.labels) for images in suite.outliers.values())
    if suite.out_of_domain:
        yield len(suite.out_of_domain.labels)


def bare_passes(model: nn.Module, suite: Suite) -> None:
    """Nothing but the model, on images that are in memory and in the right form."""
    images = torch.tensor(suite.test.images[:SIZE]).float() / 255
    labels = torch.tensor(suite.test.labels[:SIZE])
    with torch.inference_mode():
        for count in sizes(suite):
            for start in range(0, count, SIZE):
                model(images[: min(SIZE, count - start)])
    for start in range(0, len(suite.test.labels), SIZE):
        batch = images[: min(SIZE, len(suite.test.labels) - start)].clone().requires_grad_()
        answer = model(batch)
        gradient(answer, batch, labels, keep=True)
        gradient(answer, batch, labels, keep=False)


def gradient(answer: Tensor, batch: Tensor, labels: Tensor, *, keep: bool) -> None:
    loss = cross_entropy(answer, labels[: len(batch)], reduction="sum")
    torch.autograd.grad(loss, batch, retain_graph=keep)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "limit", "architecture", "most", "rounds"),
    [("fashionmnist", None, "lenet5", 1.5, 3), ("cifar10", 500, "resnet18", 1.1, 1)],
)
def test_an_evaluation_costs_little_more_than_its_passes(
    name: str, limit: int | None, architecture: str, most: float, rounds: int, data_root: Path
) -> None:
    suite = load_suite(name, limit=limit, root=data_root)
    made = seconds(lambda: prepare_shifts(suite))
    submission = fresh(architecture, suite)
    bare_passes(submission.model, load_suite(name, limit=SIZE, root=data_root))
    pairs = []
    for _ in range(rounds):
        bare = seconds(lambda: bare_passes(submission.model, suite))
        pairs.append((seconds(lambda: evaluate(submission, suite, protocol=FORWARD)), bare))
    whole = seconds(lambda: evaluate(submission, suite))
    ratios = sorted(forward / bare for forward, bare in pairs)
    sys.stdout.write(
        f"\n{architecture} on {name}: evaluation over bare passes "
        f"{', '.join(f'{ratio:.3f}' for ratio in ratios)}; evaluation {pairs[0][0]:.1f} s, with "
        f"SensNorm {whole:.1f} s, its shifts once {made:.1f} s\n"
    )
    assert ratios[len(ratios) // 2] <= most
