"""Pruning scores of weights: {layer weight name: tensor of the weight's shape}, higher = keep.

Every function leaves the network as it was. Which weights go is decided in `masks.py`.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.models import prunable

Batches = Iterable[tuple[Tensor, Tensor]]
Saliency = dict[str, Tensor]


def magnitude(network: nn.Module) -> Saliency:
    """|w|."""
    return {name: weight.detach().abs() for name, weight in prunable(network).items()}


def random(network: nn.Module, generator: torch.Generator) -> Saliency:
    """Uniform numbers in [0, 1), drawn on the CPU."""
    return {
        name: torch.rand(weight.shape, generator=generator).to(weight.device)
        for name, weight in prunable(network).items()
    }


def snip(network: nn.Module, batches: Batches) -> Saliency:
    """|w · ∂L/∂w| of the mean cross-entropy over all scoring images.

    The network is scored in evaluation mode: running BatchNorm statistics, no dropout.

    Args:
        network: Answers (B, C, H, W) images in [0, 1] with logits.
        batches: (images, labels) of the training set; the paper takes 5 × 512.

    Returns:
        The saliency.

    References:
        Lee et al., SNIP, 2019, equation 6; Ayle et al., 2022, section 2. The authors' code takes
        the negative logit for the loss; here it is the cross-entropy of the text.
    """
    weights = prunable(network)
    gradients = _mean_gradients(network, list(weights.values()), batches)
    return {
        name: (weight.detach() * gradient).abs()
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }


def _mean_gradients(
    network: nn.Module, weights: list[nn.Parameter], batches: Batches
) -> list[Tensor]:
    """Gradient of the mean cross-entropy over all images of the batches."""
    training = network.training
    network.eval()
    sums = [torch.zeros_like(weight) for weight in weights]
    count = 0
    for images, labels in batches:
        loss = cross_entropy(network(images), labels, reduction="sum")
        for total, gradient in zip(sums, torch.autograd.grad(loss, weights), strict=True):
            total += gradient
        count += len(images)
    network.train(training)
    return [total / count for total in sums]
