"""The score of a batch: the p-norm of its standardised sensitivities."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models import prunable
from bench.sensitivity.options import Options
from bench.sensitivity.slopes import Slopes, slopes
from bench.sensitivity.statistics import TINY, Statistics

PART = 2**18  # numbers standardised at a time, so that they stay in the cache
LEAST = 1e-30  # smaller sums have lost digits


def sensitivity_scores(
    network: nn.Module, batches: Iterable[Tensor], statistics: Statistics
) -> Tensor:
    """‖z‖ₚ of every batch, with z = (a − mean) / (std + 1e-8) and the network's own labels.

    The labels are what the network predicts on that very batch. Weights with a standard deviation
    of zero are left out. The authors' code subtracts z from the unstandardised sensitivity to the
    training set, which is too small beside z to matter; that is left out too.

    Args:
        network: Whose statistics they are; answers images in [0, 1] with logits; left untouched.
        batches: (B, C, H, W) float32, best of one size; the last may be smaller.
        statistics: Their options say what is measured and how it is summed up.

    Returns:
        (batches,) float32 on the CPU, at least 0; higher = more anomalous.

    Raises:
        BenchError: E-BAD-OUTPUT if a score is not finite.

    References:
        Ayle et al., 2022, section 6.
    """
    options = statistics.options
    scale, shift = standardisation(network, statistics)
    questions = ((images, None) for images in batches)
    scores = [
        _scores(found, scale, shift, options) for found in slopes(network, questions, options.loss)
    ]
    found = torch.cat(scores).cpu() if scores else torch.zeros(0)
    if not found.isfinite().all():
        raise BenchError(
            "E-BAD-OUTPUT",
            "sensitivity: the gradients on a batch are not all finite numbers, so it has no "
            "score; see the weights with `bench inspect`",
        )
    return found


def standardisation(
    network: nn.Module, statistics: Statistics
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Scale and shift with z = scale · gradient + shift; both 0 where the std is 0."""
    scale, shift = {}, {}
    for name, weight in prunable(network).items():
        mean, std = (part[name].to(weight.device) for part in (statistics.mean, statistics.std))
        alive = std > 0
        scale[name] = weight.detach() / (std + TINY) * alive
        shift[name] = -mean / (std + TINY) * alive
    return scale, shift


def _scores(
    found: Slopes, scale: Mapping[str, Tensor], shift: Mapping[str, Tensor], options: Options
) -> Tensor:
    """(G,) float32."""
    losses = (TINY + found.losses).float() if options.elasticity else torch.ones(1)
    by = losses.to(next(iter(scale.values())).device).unsqueeze(1)
    layers = [
        _norms_of_layer(gradients.flatten(1), by, scale[name], shift[name], options.power)
        for name, gradients in found.gradients.items()
    ]
    table = torch.stack(layers, 1)
    return table.mean(1) if options.aggregate == "layer-mean" else norms(table, options.power)


def _norms_of_layer(rows: Tensor, by: Tensor, scale: Tensor, shift: Tensor, power: float) -> Tensor:
    """(G,) norms of scale · rows / by + shift."""
    size = max(1, PART // len(rows))
    parts = zip(
        rows.split(size, 1), scale.flatten().split(size), shift.flatten().split(size), strict=True
    )
    found = [norms(torch.addcmul(less, part / by, times), power) for part, times, less in parts]
    return norms(torch.stack(found, 1), power)


def norms(rows: Tensor, power: float) -> Tensor:
    """(Σ|x|^p)^(1/p); where a sum leaves the range of the dtype, the largest is factored out.

    Args:
        rows: (G, n), n at least 1; float32.
        power: At least 1; `math.inf` for the largest |x|.

    Returns:
        (G,), float32.
    """
    if power == math.inf:
        return rows.abs().amax(1)
    totals = _powers(rows, power)
    if ((totals > LEAST) & (totals < math.inf)).all():
        return totals ** (1 / power)
    largest = rows.abs().amax(1).clamp_min(torch.finfo(rows.dtype).tiny)
    return largest * _powers(rows / largest[:, None], power) ** (1 / power)


def _powers(rows: Tensor, power: float) -> Tensor:
    """Σ|x|^p; the general power takes ten times as long as the paper's."""
    if power == 5:
        return rows.square().square_().mul_(rows).abs_().sum(1)
    return rows.abs().pow_(power).sum(1)
