"""Masks: which weights stay. A mask is {layer weight name: bool tensor of the weight's shape}.

What a weight is worth is decided in `saliency.py`.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models import prunable

Mask = dict[str, Tensor]
Scope = Literal["global", "local"]


def keep_top(saliency: Mapping[str, Tensor], sparsity: float, scope: Scope = "global") -> Mask:
    """Keeps exactly k = max(1, ⌊n(1 − sparsity)⌋) weights of highest saliency.

    Ties are broken by the flat index: the earlier weight stays. Scope `local` counts n and k
    for each tensor.

    Args:
        saliency: {name: float tensor}; higher = keep; −∞ marks weights that may not return.
        sparsity: Share to remove, in [0, 1).
        scope: `global` ranks over all tensors, `local` within each.

    Returns:
        {name: bool tensor}, True where the weight stays.

    Raises:
        BenchError: E-BAD-VALUE if the sparsity is out of range or a saliency is NaN.
    """
    if not 0 <= sparsity < 1:
        raise BenchError(
            "E-BAD-VALUE",
            f"sparsity: got {sparsity:g}, expected [0, 1); 0.9 keeps 10 % of the weights",
        )
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


def _top(scores: Tensor, sparsity: float) -> Tensor:
    if scores.isnan().any():
        raise BenchError(
            "E-BAD-VALUE", "saliency: got NaN, expected numbers; the gradients are not finite"
        )
    # Counted in millionths, so that 0.9 of 10 weights is 9 and not ⌊10 × 0.0999…⌋ short of one.
    keep = max(1, int(round(len(scores) * (1 - sparsity), 6)))
    order = torch.argsort(scores, descending=True, stable=True)
    chosen = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    chosen[order[:keep]] = True
    return chosen


@torch.no_grad()
def apply(network: nn.Module, mask: Mapping[str, Tensor]) -> None:
    """Sets the weights outside the mask to zero, in place."""
    weights = prunable(network)
    for name, kept in mask.items():
        weights[name].mul_(kept)
