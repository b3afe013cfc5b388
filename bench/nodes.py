"""Hidden channels as nodes: what each is worth, and which stay. {layer: (channels,) tensor}.

What a channel consists of is found in `models/channels.py`, what a weight is worth in
`saliency.py`; single weights are chosen in `masks.py`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.masks import check_sparsity
from bench.models.channels import Slice
from bench.records import Scope


def node_scores(
    saliency: Mapping[str, Tensor], slices: Mapping[str, tuple[Slice, ...]]
) -> dict[str, Tensor]:
    """What every hidden channel is worth: the sum over the layers whose outputs it is.

    Outgoing weights do not count, nor do the logits.

    Args:
        saliency: {layer weight name: tensor of the weight's shape, which is summed over the
            incoming weights of a channel, or (out,) scores of channels}; higher = keep.
        slices: As `channel_slices` gives them.

    Returns:
        {layer: (channels,) tensor} in the order of the slices.

    References:
        Fang et al., DepGraph: towards any structural pruning, 2023, for the sum over a stream.
    """
    return {
        layer: torch.stack(
            [
                _by_output(saliency[part.tensor])
                for part in parts
                if part.dim == 0 and part.tensor in saliency
            ]
        ).sum(0)
        for layer, parts in slices.items()
    }


def keep_nodes(
    scores: Mapping[str, Tensor],
    sparsity: float,
    scope: Scope = "global",
    *,
    full: Mapping[str, int],
) -> dict[str, Tensor]:
    """Keeps exactly max(layers, ⌊n(1 − sparsity)⌋) channels of highest score, if so many are there.

    The best of every layer stays. Ties are broken by the order: the earlier channel stays. Scope
    `local` counts for each layer, n(1 − sparsity) of its own channels but at least one.

    Args:
        scores: {layer: (channels,) float tensor}; higher = keep. Fewer channels than the full
            network has are those that an earlier step left.
        sparsity: Share of the full network's channels that is to be gone, in [0, 1).
        scope: `global` ranks over all layers, `local` within each.
        full: Channels of the full network by layer; n is their sum.

    Returns:
        {layer: (channels,) bool tensor}, True where the channel stays.

    Raises:
        BenchError: E-BAD-VALUE if the sparsity is out of range or a score is NaN.
    """
    check_sparsity(sparsity)
    if scope == "local":
        return {
            layer: keep_nodes({layer: score}, sparsity, full={layer: full[layer]})[layer]
            for layer, score in scores.items()
        }
    flat = torch.cat(list(scores.values()))
    if flat.isnan().any():
        raise BenchError(
            "E-BAD-VALUE", "saliency: got NaN, expected numbers; the gradients are not finite"
        )
    best = torch.cat([_is_best(score) for score in scores.values()])
    # Counted in millionths as in `masks.py`: 0.9 of 10 channels leaves 1.
    count = max(len(scores), int(round(sum(full.values()) * (1 - sparsity), 6)))
    order = flat.argsort(descending=True, stable=True)
    order = torch.cat([order[best[order]], order[~best[order]]])
    chosen = torch.zeros_like(best)
    chosen[order[:count]] = True
    parts = chosen.split([len(score) for score in scores.values()])
    return dict(zip(scores, parts, strict=True))


def _by_output(score: Tensor) -> Tensor:
    """(out, …) to (out,)."""
    return score.flatten(1).sum(1) if score.dim() > 1 else score


def _is_best(score: Tensor) -> Tensor:
    """(channels,) bool tensor, True at the first of the highest."""
    return torch.arange(len(score), device=score.device) == score.argmax()
