"""Masks: which weights stay. A mask is {layer weight name: bool tensor of the weight's shape}.

What a weight is worth is decided in `saliency.py`.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models import prunable
from bench.records import Scope

Mask = dict[str, Tensor]
Schedule = Literal["one-shot", "halving", "exponential"]


def keep_top(
    saliency: Mapping[str, Tensor],
    sparsity: float,
    scope: Scope = "global",
    *,
    within: Mapping[str, Tensor] | None = None,
) -> Mask:
    """Keeps exactly k = max(1, ⌊n(1 − sparsity)⌋) weights of highest saliency.

    Ties are broken by the flat index: the earlier weight stays. Scope `local` counts n and k
    for each tensor.

    Args:
        saliency: {name: float tensor}; higher = keep.
        sparsity: Share to remove, in [0, 1).
        scope: `global` ranks over all tensors, `local` within each.
        within: An earlier mask; what it removed never returns.

    Returns:
        {name: bool tensor}, True where the weight stays.

    Raises:
        BenchError: E-BAD-VALUE if the sparsity is out of range or a saliency is NaN.
    """
    check_sparsity(sparsity)
    if within:
        outside = {
            name: score.masked_fill(~within[name], -torch.inf) for name, score in saliency.items()
        }
        kept = keep_top(outside, sparsity, scope)
        return {name: mask & within[name] for name, mask in kept.items()}
    if scope == "local":
        return {
            name: _top(score.flatten(), sparsity).view_as(score) for name, score in saliency.items()
        }
    chosen = _top(torch.cat([score.flatten() for score in saliency.values()]), sparsity)
    parts = chosen.split([score.numel() for score in saliency.values()])
    return {
        name: part.view_as(score)
        for (name, score), part in zip(saliency.items(), parts, strict=True)
    }


def check_sparsity(sparsity: float) -> None:
    """Refuses what is no share.

    Raises:
        BenchError: E-BAD-VALUE if it is out of [0, 1).
    """
    if not 0 <= sparsity < 1:
        raise BenchError(
            "E-BAD-VALUE", f"sparsity: got {sparsity:g}, expected [0, 1); 0.9 keeps 10 %"
        )


def _top(scores: Tensor, sparsity: float) -> Tensor:
    if scores.isnan().any():
        raise BenchError(
            "E-BAD-VALUE", "saliency: got NaN, expected numbers; the gradients are not finite"
        )
    # Counted in millionths, so that 0.9 of 10 weights leaves 1 and not ⌊10 × 0.0999…⌋ = 0.
    keep = max(1, int(round(len(scores) * (1 - sparsity), 6)))
    threshold = scores.topk(keep, sorted=False).values.min()
    above, ties = scores > threshold, scores == threshold
    return above | (ties & (ties.cumsum(0) <= keep - above.sum()))


def targets(schedule: Schedule, sparsity: float, steps: int) -> list[float]:
    """Sparsities on the way to the last one, ascending.

    `halving` halves the gap: s − (s − l)·2⁻ⁱ for i = 0 to steps, then s, where l is 0.5 for s
    above it, else 0.2, and s alone where it is no larger. `exponential` removes the same share of
    what is left every time: 1 − (1 − s)^(i/steps) for i = 1 to steps.

    References:
        Ayle et al., 2022, authors' code of CroPit; Tanaka et al., Pruning neural networks without
        any data by iteratively conserving synaptic flow, 2020.
    """
    if schedule == "halving":
        first = next((low for low in (0.5, 0.2) if sparsity > low), sparsity)
        gap = sparsity - first
        return [sparsity - gap * 2**-i for i in range(steps + 1) if gap] + [sparsity]
    if schedule == "exponential":
        return [1 - (1 - sparsity) ** (i / steps) for i in range(1, steps)] + [sparsity]
    return [sparsity]


@torch.no_grad()
def apply(network: nn.Module, mask: Mapping[str, Tensor]) -> None:
    """Sets the weights outside the mask to zero, in place."""
    weights = prunable(network)
    for name, kept in mask.items():
        weights[name].mul_(kept)
