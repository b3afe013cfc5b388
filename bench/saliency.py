"""Pruning scores of weights: {layer weight name: tensor of the weight's shape}, higher = keep.

Every function takes a `Scoring` and leaves its network as it was; its keyword arguments are the
options of the pruners that use it. Which weights go is decided in `masks.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.errors import BenchError
from bench.models import prunable
from bench.models.glow import flow_of
from bench.models.kinds import kind_of
from bench.records import Scope
from bench.setting import Setting

Batch = tuple[Tensor, Tensor]
Saliency = dict[str, Tensor]
Loss = Literal["ce", "neg-logit"]

LOSSES: Mapping[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    "ce": lambda logits, labels: cross_entropy(logits, labels, reduction="sum"),
    "neg-logit": lambda logits, labels: -logits.gather(1, labels[:, None]).sum(),
}


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """What a saliency may look at.

    Args:
        network: Answers (B, C, H, W) images in [0, 1] with logits, a flow with log-densities; in
            evaluation mode (running BatchNorm statistics, no dropout). Weights outside the mask
            are zero.
        batches: (images, labels) of the training set.
        mask: {name: bool tensor}, True where a weight is still there; empty for all.
        generator: For what is drawn.
        sparsity: That the network is about to have, for scores that are trained.
        scope: Over which it is counted.
        step: Steps of pruning done before.
        setting: What the network is trained in; None where it is not.
    """

    network: nn.Module
    batches: Sequence[Batch] = ()
    mask: Mapping[str, Tensor] = field(default_factory=dict)
    generator: torch.Generator = field(default_factory=torch.Generator)
    sparsity: float = 0.0
    scope: Scope = "global"
    step: int = 0
    setting: Setting | None = None


def magnitude(scoring: Scoring) -> Saliency:
    """|w|."""
    return {name: weight.detach().abs() for name, weight in prunable(scoring.network).items()}


def random(scoring: Scoring) -> Saliency:
    """Uniform numbers in [0, 1), drawn on the CPU."""
    return {
        name: torch.rand(weight.shape, generator=scoring.generator).to(weight.device)
        for name, weight in prunable(scoring.network).items()
    }


def snip(scoring: Scoring, *, loss: Loss = "ce") -> Saliency:
    """|w · ∂L/∂w|: how much the loss changes with a gate on the weight.

    Args:
        scoring: The paper takes 5 × 512 images.
        loss: `ce`; `neg-logit` is what the authors' code computes.

    References:
        Lee et al., SNIP, 2019, equation 6; Ayle et al., 2022, section 2.
    """
    weights = prunable(scoring.network)
    slopes = gradients(scoring.network, scoring.batches, loss)
    return {name: (weight.detach() * slopes[name]).abs() for name, weight in weights.items()}


def grasp(
    scoring: Scoring,
    *,
    sign: Literal["wang", "authors-inverted", "neg-abs"] = "wang",
    temperature: float = 200.0,
    loss: Loss = "ce",
) -> Saliency:
    """Signed w · Hg of the loss at a temperature: without the lowest the gradient grows.

    Args:
        scoring: The paper takes 5 × 512 images.
        sign: `wang` as published; `authors-inverted` keeps what that would remove, as the code of
            Ayle et al. does; `neg-abs` is −|w · Hg|, the formula of their text.
        temperature: Divides the logits.
        loss: As in `snip`.

    References:
        Wang et al., Picking winning tickets before training by preserving gradient flow, 2020.
    """
    signed: Mapping[str, Callable[[Tensor], Tensor]] = {
        "wang": lambda product: product,
        "authors-inverted": torch.neg,
        "neg-abs": lambda product: -product.abs(),
    }
    weights = prunable(scoring.network)
    _, curved = _curvature(scoring, loss, weights, temperature)
    return {name: signed[sign](weight.detach() * curved[name]) for name, weight in weights.items()}


def crop(scoring: Scoring, *, loss: Loss = "ce") -> Saliency:
    """|w · H(m ⊙ g)|: what a weight does to the gradient flow of the masked network.

    Args:
        scoring: The paper takes 512 images.
        loss: As in `snip`.

    References:
        Rachwan et al., Winning the lottery ahead of time, 2022; Ayle et al., 2022, section 2.
    """
    weights = prunable(scoring.network)
    _, curved = _curvature(scoring, loss, weights)
    return {name: (weight.detach() * curved[name]).abs() for name, weight in weights.items()}


def crop_nodes(scoring: Scoring, *, loss: Loss = "ce") -> Saliency:
    """CroP for whole nodes: (out,) scores of the output channels of every layer.

    |∂/∂c ⟨m ⊙ g, ∂L/∂w⟩| for a gate c = 1 that multiplies a node's output before its
    normalisation, in closed form: |Σᵢ wᵢ(H(m ⊙ g))ᵢ + Σᵢ mᵢgᵢ² + b ∂⟨m ⊙ g, ∂L/∂w⟩/∂b| over the
    node's incoming weights and its bias.

    Args:
        scoring: The paper's code takes 5 × 512 images.
        loss: As in `snip`.

    Raises:
        BenchError: E-BAD-VALUE for a Bayesian network, whose gates scale more than the means.

    References:
        Ayle et al., 2022, section 2 (CroPit-S); Rachwan et al., 2022.
    """
    check_single(kind_of(scoring.network))
    weights = prunable(scoring.network)
    biases = {
        name: parameter
        for name, parameter in scoring.network.named_parameters()
        if name.endswith(".bias") and f"{name.removesuffix('.bias')}.weight" in weights
    }
    slopes, curved = _curvature(scoring, loss, {**weights, **biases})
    scores = {}
    for name, weight in weights.items():
        score = (weight.detach() * curved[name] + slopes[name].square()).flatten(1).sum(1)
        bias = f"{name.removesuffix('.weight')}.bias"
        if bias in biases:
            score += biases[bias].detach() * curved[bias]
        scores[name] = score.abs()
    return scores


def check_single(kind: str) -> None:
    """Refuses a kind of network whose weights are not themselves what answers.

    Raises:
        BenchError: E-BAD-VALUE.
    """
    if kind != "classifier":
        raise BenchError(
            "E-BAD-VALUE",
            f"pruner: this one scores the weights of a single network, got a {kind} one; "
            "expected for instance snr, snr-s or snip",
        )


def gradients(
    network: nn.Module, batches: Iterable[Batch], loss: Loss = "ce", temperature: float = 1.0
) -> Saliency:
    """Gradient of the mean loss over all images with respect to each prunable weight.

    The loss of a flow is its bits per dimension, whichever is named.
    """
    weights = prunable(network)
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    count = 0
    for images, labels in batches:
        value = _summed(network, loss)(network(images) / temperature, labels)
        found = torch.autograd.grad(value, list(weights.values()))
        for total, slope in zip(sums.values(), found, strict=True):
            total += slope
        count += len(labels)
    return {name: total / count for name, total in sums.items()}


def _curvature(
    scoring: Scoring, loss: Loss, by: Mapping[str, Tensor], temperature: float = 1.0
) -> tuple[Saliency, Saliency]:
    """The gradient m ⊙ g of the mean loss, and the derivative of ⟨m ⊙ g, ∂L/∂w⟩ by parameters.

    By the weights, that is H(m ⊙ g). Double backward, one batch at a time; of a single batch one
    graph gives both, which is less than a pass for the gradient and one forward over reverse.
    """
    network, batches = scoring.network, scoring.batches
    weights = prunable(network)
    vector: Saliency = {}
    if len(batches) > 1:
        whole = gradients(network, batches, loss, temperature)
        vector = {name: _within(scoring.mask, name, slope) for name, slope in whole.items()}
    count = sum(len(labels) for _, labels in batches)
    totals = {name: torch.zeros_like(parameter) for name, parameter in by.items()}
    for images, labels in batches:
        value = _summed(network, loss)(network(images) / temperature, labels) / count
        found = torch.autograd.grad(value, list(weights.values()), create_graph=True)
        graph = dict(zip(weights, found, strict=True))
        vector = vector or {
            name: _within(scoring.mask, name, slope.detach()) for name, slope in graph.items()
        }
        product = torch.stack([(vector[name] * graph[name]).sum() for name in weights]).sum()
        parts = torch.autograd.grad(product, list(by.values()), materialize_grads=True)
        for total, part in zip(totals.values(), parts, strict=True):
            total += part
    return vector, totals


def _summed(network: nn.Module, loss: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """(answers, labels) -> the loss, summed over images."""
    if flow := flow_of(network):
        return lambda log_density, _: flow.bits_per_dimension(log_density).sum()
    return LOSSES[loss]


def _within(mask: Mapping[str, Tensor], name: str, values: Tensor) -> Tensor:
    return values * mask[name] if name in mask else values
