"""Mean and standard deviation of every weight's sensitivity over the training batches."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models import prunable
from bench.saliency import Batch
from bench.sensitivity.options import STANDARD, Options
from bench.sensitivity.slopes import Slopes, slopes

TINY = 1e-8  # added to what is divided by, as the authors do


class Slope(NamedTuple):
    """Loss (float64) and weight gradients of one batch."""

    loss: Tensor
    gradients: dict[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What the training set says about the sensitivity of every prunable weight.

    Args:
        mean: {name: float32 tensor of the weight's shape}.
        std: The same, unbiased, at least 0; 0 where the weight is dead.
        batches: Number of batches, at least 2.
        options: With which it was measured.
    """

    mean: Mapping[str, Tensor]
    std: Mapping[str, Tensor]
    batches: int
    options: Options


def training_statistics(
    network: nn.Module, batches: Iterable[Batch], options: Options = STANDARD
) -> Statistics:
    """One pass over the training batches, in memory of two copies of the weights (Welford).

    With the option `cumulative` there is a third copy.

    Args:
        network: Answers images in [0, 1] with logits; left untouched.
        batches: (images, true labels), at least two; augmented as in training.
        options: The loss and what is made of it.

    Raises:
        BenchError: E-TOO-FEW-IMAGES for fewer than two batches, E-BAD-OUTPUT if a sensitivity is
            not finite.

    References:
        Ayle et al., 2022, section 6; Welford, Note on a method for calculating corrected sums of
        squares and products, 1962.
    """
    weights = {name: weight.detach() for name, weight in prunable(network).items()}
    mean = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    squares = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    measured = _singly(slopes(network, batches, options.loss))
    count = 0
    for slope in running_means(measured) if options.cumulative else measured:
        count += 1
        for name, value in sensitivity(weights, slope, options).items():
            before = value - mean[name]
            mean[name] += before / count
            squares[name] += before * (value - mean[name])
    if count < 2:
        raise BenchError(
            "E-TOO-FEW-IMAGES",
            f"batches: got {count}, expected 2 or more for a standard deviation; "
            "take smaller batches",
        )
    if not all(total.isfinite().all() for total in squares.values()):
        raise BenchError(
            "E-BAD-OUTPUT",
            "sensitivity: the gradients on the training batches are not all finite numbers, so "
            "there are no statistics; see the weights with `bench inspect`",
        )
    std = {name: (total / (count - 1)).sqrt() for name, total in squares.items()}
    return Statistics(mean, std, count, options)


def sensitivity(weights: Mapping[str, Tensor], slope: Slope, options: Options) -> dict[str, Tensor]:
    """Every prunable weight times ∂L/∂w, signed: negative where growing would lower the loss."""
    by = float(TINY + slope.loss) if options.elasticity else 1.0
    return {name: weight * slope.gradients[name] / by for name, weight in weights.items()}


def running_means(measured: Iterable[Slope]) -> Iterator[Slope]:
    """Loss and gradients of batch m, averaged with those of all batches before."""
    total: Slope | None = None
    for count, slope in enumerate(measured, start=1):
        if total is None:
            total = Slope(slope.loss, {n: g.clone() for n, g in slope.gradients.items()})
        else:
            total = Slope(total.loss + slope.loss, total.gradients)
            for name, gradient in slope.gradients.items():
                total.gradients[name] += gradient
        yield Slope(total.loss / count, {n: g / count for n, g in total.gradients.items()})


def _singly(measured: Iterable[Slopes]) -> Iterator[Slope]:
    for losses, gradients in measured:
        for at, loss in enumerate(losses):
            yield Slope(loss, {name: slopes[at] for name, slopes in gradients.items()})
