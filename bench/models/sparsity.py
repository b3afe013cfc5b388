"""Measured sparsity: zeros of the weights as loaded, against the dense architecture."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from bench.models.kinds import parts_of
from bench.models.network import prunable

TINY = 1e-8  # a weight that may have been meant to be zero


@dataclass(frozen=True, slots=True)
class Sparsity:
    """What is left of a network.

    Args:
        total: Share of the dense network's prunable weights that are zero or removed, in [0, 1].
        nonzero: Prunable weights that are not zero.
        layers: The share for each layer, by name.
        counts: Dense weights of each layer, by name.
    """

    total: float
    nonzero: int
    layers: Mapping[str, float]
    counts: Mapping[str, int]


def measured_sparsity(network: nn.Module, dense: nn.Module | None = None) -> Sparsity:
    """Counts exact zeros and removed weights.

    Args:
        network: As loaded; masks already folded in.
        dense: The same architecture, or that of each of its parts, at full width; None counts
            against the network itself.

    Returns:
        The counts. Weights that were removed count as zeros.
    """
    counts = {
        prefix + name: weight.numel()
        for prefix, part in parts_of(network).items()
        for name, weight in prunable(dense or part).items()
    }
    left = {name: int(weight.count_nonzero()) for name, weight in prunable(network).items()}
    layers = {
        name.removesuffix(".weight"): 1 - left[name] / count for name, count in counts.items()
    }
    nonzero = sum(left.values())
    return Sparsity(
        total=1 - nonzero / sum(counts.values()),
        nonzero=nonzero,
        layers=layers,
        counts={name.removesuffix(".weight"): count for name, count in counts.items()},
    )


@dataclass(frozen=True, slots=True)
class NearZero:
    """Weights that are not zero, and do nothing that a zero would not.

    Args:
        count: Prunable weights of the network as loaded.
        tiny: Share of them that is nonzero but below `TINY` in size.
        denormal: Share that is nonzero but below the smallest normal number of its dtype, where
            digits are lost and processors are slow.
    """

    count: int
    tiny: float
    denormal: float


def near_zero(network: nn.Module) -> NearZero:
    """Counts weights that stand where a zero could."""
    weights = torch.cat([weight.detach().flatten() for weight in prunable(network).values()]).abs()
    small, least = weights[(weights > 0) & (weights < TINY)], torch.finfo(weights.dtype).tiny
    return NearZero(
        count=len(weights),
        tiny=len(small) / len(weights),
        denormal=int((small < least).sum()) / len(weights),
    )
