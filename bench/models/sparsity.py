"""Measured sparsity: zeros of the weights as loaded, against the dense architecture."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from bench.models.network import prunable


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
        dense: The same architecture at full width; None counts against the network itself.

    Returns:
        The counts. Weights that were removed count as zeros.
    """
    counts = {name: weight.numel() for name, weight in prunable(dense or network).items()}
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
