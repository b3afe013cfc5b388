"""Detectors against the passes that they cannot do without, and against plain autograd."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import log_softmax, nll_loss

from bench.data import load_suite
from bench.detectors.gradnorm import gradnorm
from bench.inference import batches, gather
from bench.models import Normalised, initialised, last_linear, prunable
from bench.sensitivity import (
    STANDARD,
    Statistics,
    Views,
    sensitivity_scores,
    training_statistics,
    with_views,
)
from bench.sensitivity.slopes import together
from tests.performance.timing import interleaved, said

VIEWS = Views(mean=(0.5,))


def fresh(architecture: str, channels: int) -> Normalised:
    generator = torch.Generator().manual_seed(0)
    network = initialised(architecture, classes=10, channels=channels, generator=generator)
    return Normalised(network, (0.5,) * channels, (0.5,) * channels).eval()


def measured(model: nn.Module, shape: tuple[int, int, int]) -> Statistics:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(60, *shape, generator=generator)
    labels = torch.randint(0, 10, (60,), generator=generator)
    stream = zip(images.split(20), labels.split(20), strict=True)
    return training_statistics(model, stream, STANDARD)


def slopes_of(model: nn.Module, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    logits = model(images)
    loss = nll_loss(logits, logits.argmax(1))
    return loss, torch.autograd.grad(loss, list(prunable(model).values()))


def plainly(model: nn.Module, groups: Iterator[Tensor], known: Statistics) -> Tensor:
    """SensNorm as one writes it down: a backward pass a batch, then the norm."""
    scores = []
    for images in groups:
        loss, found = slopes_of(model, images)
        parts = [
            (w.detach() * g / (1e-8 + loss.detach()) - known.mean[name]) / (known.std[name] + 1e-8)
            for (name, w), g in zip(prunable(model).items(), found, strict=True)
        ]
        scores.append(torch.linalg.vector_norm(torch.cat([p.flatten() for p in parts]), 5))
    return torch.stack(scores)


def test_sensnorm_of_single_images_on_lenet5() -> None:
    model, images = fresh("lenet5", 1), torch.rand(400, 1, 28, 28)
    known = measured(model, (1, 28, 28))
    seen = list(with_views(images.split(1), VIEWS))
    torch.testing.assert_close(
        sensitivity_scores(model, seen[:9], known),
        plainly(model, iter(seen[:9]), known),
        rtol=1e-3,
        atol=0,
    )

    def shared_passes() -> None:
        for at in range(0, len(seen), 10):
            together(model, [(views, None) for views in seen[at : at + 10]], "neg-logit")

    weights = {name: weight.detach() for name, weight in prunable(model).items()}

    def loss(parameters: dict[str, Tensor], group: Tensor) -> Tensor:
        logits = functional_call(model, parameters, (group,))
        return nll_loss(logits, logits.argmax(1))

    def by_vmap() -> None:
        for at in range(0, len(seen), 20):
            vmap(grad(loss), in_dims=(None, 0))(weights, torch.stack(seen[at : at + 20]))

    taken = interleaved(
        5,
        vmap=by_vmap,
        ours=lambda: sensitivity_scores(model, with_views(images.split(1), VIEWS), known),
        plain=lambda: plainly(model, with_views(images.split(1), VIEWS), known),
        shared=shared_passes,
        passes=lambda: [slopes_of(model, views) for views in seen],
    )
    ours = taken["ours"]
    said(
        f"SensNorm, lenet5, single images of 11 views, {1000 * ours / len(images):.2f} ms each: "
        f"plain loop {taken['plain'] / ours:.2f} times, its forward and backward passes alone "
        f"{taken['passes'] / ours:.2f}, gradients by vmap {taken['vmap'] / ours:.2f}, gradients of "
        f"ten groups a pass {taken['shared'] / ours:.2f}"
    )
    assert taken["plain"] / ours >= 1.4


def test_sensnorm_of_single_images_on_resnet18() -> None:
    model, views = fresh("resnet18", 3), Views(mean=(0.5,) * 3)
    known = measured(model, (3, 32, 32))
    seen = list(with_views(torch.rand(30, 3, 32, 32).split(1), views))
    taken = interleaved(
        3,
        ours=lambda: sensitivity_scores(model, seen, known),
        passes=lambda: [slopes_of(model, images) for images in seen],
    )
    ratio = taken["ours"] / taken["passes"]
    said(f"SensNorm, resnet18, single images of 11 views: {ratio:.3f} of forward and backward")
    assert ratio <= 1.2


@pytest.mark.data
def test_gradnorm_on_lenet5(data_root: Path) -> None:
    model = fresh("lenet5", 1)
    images = load_suite("fashionmnist", root=data_root).test.images
    device = torch.device("cpu")
    evidence = gather(model, batches(images, 250, device), "test")
    head = last_linear(model).weight

    def by_autograd() -> Tensor:
        found = []
        for group in batches(images[:200], 1, device):
            loss = -log_softmax(model(group), 1).sum(1).mean()
            found.append(-torch.autograd.grad(loss, head)[0].abs().sum())
        return torch.stack(found)

    torch.testing.assert_close(gradnorm(evidence, 1)[:200], by_autograd(), rtol=1e-4, atol=1e-4)
    taken = interleaved(
        7,
        forward=lambda: gather(model, batches(images, 250, device), "test"),
        single=lambda: gradnorm(evidence, 1),
        every=lambda: [gradnorm(evidence, size) for size in (1, 2, 5, 100)],
        autograd=by_autograd,
    )
    single, every = taken["single"] / taken["forward"], taken["every"] / taken["forward"]
    loop = taken["autograd"] * len(images) / 200
    said(
        f"GradNorm, lenet5, {len(images)} images: {100 * single:.1f} % of the forward pass, at all "
        f"four batch sizes {100 * every:.1f} %; a loop of autograd takes "
        f"{loop / (taken['forward'] + taken['single']):.0f} times both"
    )
    assert single <= 0.02
