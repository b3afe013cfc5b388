"""A LeNet5 with its own pooling against one with torch's."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, max_pool2d

from bench.models import initialised, lenet5
from tests.performance.timing import interleaved, said

IMAGES = torch.rand(500, 1, 28, 28)
LABELS = torch.arange(500) % 10


def network() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    return initialised("lenet5", classes=10, channels=1, generator=generator)


@torch.inference_mode()
def scored(model: nn.Module) -> list[Tensor]:
    return [model.eval()(part) for part in IMAGES.split(250)]


def trained(model: nn.Module) -> None:
    cross_entropy(model.train()(IMAGES), LABELS).backward()


def pooled_by_torch(work: Callable[[], object]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lenet5, "max_pool", partial(max_pool2d, kernel_size=2))
        patch.setattr(lenet5, "spread", partial(adaptive_avg_pool2d, output_size=3))
        work()


def test_pooling_of_a_lenet5() -> None:
    forward, step = partial(scored, network()), partial(trained, network())
    taken = interleaved(
        15,
        forward=forward,
        forward_torch=partial(pooled_by_torch, forward),
        step=step,
        step_torch=partial(pooled_by_torch, step),
    )
    answered = taken["forward"] / taken["forward_torch"]
    learned = taken["step"] / taken["step_torch"]
    said(
        f"LeNet5 with its own pooling, of torch's pooling: a forward pass {answered:.2f}, forward "
        f"and backward in training {learned:.2f}"
    )
    assert answered <= 0.75
    assert learned <= 1.1
