"""The score of a batch: the p-norm of its standardised sensitivities."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models import prunable
from bench.sensitivity.options import Options
from bench.sensitivity.slopes import Slope, slopes
from bench.sensitivity.statistics import TINY, Statistics

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
        _score(slope, scale, shift, options) for slope in slopes(network, questions, options.loss)
    ]
    found = torch.stack(scores).float().cpu() if scores else torch.zeros(0)
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


def _score(
    slope: Slope, scale: Mapping[str, Tensor], shift: Mapping[str, Tensor], options: Options
) -> Tensor:
    by = float(TINY + slope.loss) if options.elasticity else 1.0
    layers = torch.stack(
        [
            norm(torch.addcmul(shift[name], gradient, scale[name], value=1 / by), options.power)
            for name, gradient in slope.gradients.items()
        ]
    )
    return layers.mean() if options.aggregate == "layer-mean" else norm(layers, options.power)


def norm(values: Tensor, power: float) -> Tensor:
    """(Σ|x|^p)^(1/p); where the sum leaves the range of the dtype, the largest is factored out.

    Args:
        values: Any shape, at least one; float32.
        power: At least 1; `math.inf` for the largest |x|.

    Returns:
        (), float32.
    """
    if power == math.inf:
        return values.abs().max()
    total = _powers(values, power)
    if LEAST < total < math.inf:
        return total ** (1 / power)
    largest = values.abs().max()
    return largest * _powers(values / largest, power) ** (1 / power) if largest else largest


def _powers(values: Tensor, power: float) -> Tensor:
    """Σ|x|^p; the general power takes ten times as long as the paper's."""
    if power == 5:
        return torch.dot(values.square().square_().flatten(), values.abs().flatten())
    return values.abs().pow_(power).sum()
