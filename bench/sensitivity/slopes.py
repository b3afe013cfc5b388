"""Loss and weight gradients of every batch by itself."""

import copy
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.models import prunable
from bench.saliency import LOSSES, Loss
from bench.sensitivity import one_pass

Batch = tuple[Tensor, Tensor | None]  # (B, C, H, W) images; (B,) labels, None for the predicted
CLOSE = 1e-3  # of a layer's largest gradient


class Slope(NamedTuple):
    """What a batch says about the weights.

    Args:
        loss: (), mean over the images.
        gradients: {name of a prunable weight: its gradient}, in the order of `prunable`.
    """

    loss: Tensor
    gradients: dict[str, Tensor]


def slopes(network: nn.Module, batches: Iterable[Batch], loss: Loss) -> Iterator[Slope]:
    """The mean loss of every batch and its gradient by every prunable weight.

    Small batches share a forward and a backward pass, see `one_pass`, if the first of them shows
    that this gives the gradients of a pass of its own. The loss is taken in float64, so that
    p − 1 of a confident answer is more than rounding.

    Args:
        network: Answers images with logits, each image by itself in evaluation mode. It is left
            untouched: a copy does the work.
        batches: (images, labels), or (images, None) for the labels that the network predicts.
        loss: As in `bench.saliency`.

    Yields:
        One slope a batch, in order.
    """
    worker = copy.deepcopy(network).eval().requires_grad_(False)
    for weight in prunable(worker).values():
        weight.requires_grad_()
    limit = 0
    block: list[Batch] = []
    for batch in batches:
        limit = limit or _batches_of_a_pass(worker, batch, loss)
        if block and (len(block) == limit or len(batch[0]) != len(block[0][0])):
            yield from _of_block(worker, block, loss)
            block = []
        block.append(batch)
    if block:
        yield from _of_block(worker, block, loss)


def _of_block(network: nn.Module, block: list[Batch], loss: Loss) -> Iterator[Slope]:
    if len(block) > 1:
        return together(network, block, loss)
    return iter([alone(network, block[0], loss)])


def alone(network: nn.Module, batch: Batch, loss: Loss) -> Slope:
    """The slope of a batch by a backward pass of its own."""
    weights = prunable(network)
    images, labels = batch
    logits = network(images).double()
    value = LOSSES[loss](logits, logits.argmax(1) if labels is None else labels) / len(images)
    found = torch.autograd.grad(value, list(weights.values()))
    return Slope(value.detach(), dict(zip(weights, found, strict=True)))


def together(network: nn.Module, block: list[Batch], loss: Loss) -> Iterator[Slope]:
    """The slopes of batches of one size, labels given for all or for none, by one pass."""
    size, layers = len(block[0][0]), one_pass.layers(network)
    with one_pass.Tape(layers) as tape:
        logits = network(torch.cat([images for images, _ in block])).double()
    given = [labels for _, labels in block if labels is not None]
    chosen = torch.cat(given) if given else logits.argmax(1)
    found = torch.autograd.grad(
        LOSSES[loss](logits, chosen) / size, [tape.outputs[name] for name in layers]
    )
    factors = [
        one_pass.factors(layer, tape.inputs[name], slope, size)
        for (name, layer), slope in zip(layers.items(), found, strict=True)
    ]
    answers = zip(logits.detach().split(size), chosen.split(size), strict=True)
    for place, answer in enumerate(answers):
        gradients = {
            name: (left[place] @ right[place]).view_as(layer.weight)
            for (name, layer), (left, right) in zip(layers.items(), factors, strict=True)
        }
        yield Slope(LOSSES[loss](*answer) / size, gradients)


def _batches_of_a_pass(network: nn.Module, batch: Batch, loss: Loss) -> int:
    limit = one_pass.batches_of_a_pass(network, batch[0])
    if limit > 1:
        one, (other,) = alone(network, batch, loss), together(network, [batch], loss)
        for name, slope in one.gradients.items():
            if (slope - other.gradients[name]).abs().max() > CLOSE * slope.abs().max():
                return 1
    return limit
