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


class Slopes(NamedTuple):
    """What G batches of one size say about the weights, each by itself.

    Args:
        losses: (G,) float64 on the CPU, means over the images of a batch.
        gradients: {name of a prunable weight: (G, *its shape)}, in the order of `prunable`.
    """

    losses: Tensor
    gradients: dict[str, Tensor]


def slopes(network: nn.Module, batches: Iterable[Batch], loss: Loss) -> Iterator[Slopes]:
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
        Those of the next batches, in order, as many as shared a pass.
    """
    worker = copy.deepcopy(network).eval().requires_grad_(False)
    for weight in prunable(worker).values():
        weight.requires_grad_()
    limit = 0
    block: list[Batch] = []
    for batch in batches:
        limit = limit or _batches_of_a_pass(worker, batch, loss)
        if block and (len(block) == limit or len(batch[0]) != len(block[0][0])):
            yield _of_block(worker, block, loss)
            block = []
        block.append(batch)
    if block:
        yield _of_block(worker, block, loss)


def _of_block(network: nn.Module, block: list[Batch], loss: Loss) -> Slopes:
    return together(network, block, loss) if len(block) > 1 else alone(network, block[0], loss)


def alone(network: nn.Module, batch: Batch, loss: Loss) -> Slopes:
    """The slopes of one batch by a backward pass of its own."""
    weights = prunable(network)
    images, labels = batch
    logits = network(images).cpu().double()  # there is no float64 on mps
    chosen = logits.argmax(1) if labels is None else labels.cpu()
    value = LOSSES[loss](logits, chosen) / len(images)
    found = torch.autograd.grad(value, list(weights.values()), materialize_grads=True)
    gradients = {name: slope.unsqueeze(0) for name, slope in zip(weights, found, strict=True)}
    return Slopes(value.detach().unsqueeze(0), gradients)


def together(network: nn.Module, block: list[Batch], loss: Loss) -> Slopes:
    """The slopes of batches of one size, labels given for all or for none, by one pass."""
    size, layers = len(block[0][0]), one_pass.layers(network)
    with one_pass.Tape(layers) as tape:
        logits = network(torch.cat([images for images, _ in block])).cpu().double()
    given = [labels.cpu() for _, labels in block if labels is not None]
    chosen = torch.cat(given) if given else logits.argmax(1)
    found = torch.autograd.grad(
        LOSSES[loss](logits, chosen) / size, [tape.outputs[name] for name in layers]
    )
    gradients = {
        name: one_pass.products(layer, tape.inputs[name], slope, size)
        for (name, layer), slope in zip(layers.items(), found, strict=True)
    }
    answers = zip(logits.detach().split(size), chosen.split(size), strict=True)
    return Slopes(torch.stack([LOSSES[loss](*answer) / size for answer in answers]), gradients)


def _batches_of_a_pass(network: nn.Module, batch: Batch, loss: Loss) -> int:
    limit = one_pass.batches_of_a_pass(network, batch[0])
    if limit > 1:
        one, other = alone(network, batch, loss), together(network, [batch], loss)
        for name, slope in one.gradients.items():
            if (slope - other.gradients[name]).abs().max() > CLOSE * slope.abs().max():
                return 1
    return limit
