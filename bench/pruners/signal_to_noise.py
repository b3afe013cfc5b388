"""Scores of a Bayesian network's weights by their signal-to-noise ratio |μ|/σ."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from bench.errors import BenchError
from bench.models import prunable
from bench.models.kinds import kind_of
from bench.saliency import Saliency, Scoring

Norm = Literal["sum", "mean-fan-in", "authors"]
TINY = 1e-30  # σ is taken to be no smaller, so that a ratio stays a number

NORMS: Mapping[Norm, Callable[[Tensor], Tensor]] = {
    "sum": lambda ratios: ratios.sum(1),
    "mean-fan-in": lambda ratios: ratios.mean(1),
    "authors": lambda ratios: ratios.sum(1) / ratios.numel(),
}


@torch.no_grad()
def snr(scoring: Scoring) -> Saliency:
    """|μ| / σ.

    Raises:
        BenchError: E-BAD-VALUE if the network's weights are not Bayesian.

    References:
        Graves, Practical variational inference for neural networks, 2011; Blundell et al., 2015.
    """
    check_noise(kind_of(scoring.network))
    network = scoring.network
    parameters = dict(network.named_parameters())
    scores = {}
    for name, mean in prunable(network).items():
        rho = parameters[name.replace("mean.", "rho.", 1)]
        scores[name] = mean.abs() / softplus(rho).clamp_min(TINY)
    return scores


def snr_nodes(scoring: Scoring, *, norm: Norm = "sum") -> Saliency:
    """SNR-S: (out,) sums of |μ| / σ over the incoming weights of every node.

    Args:
        scoring: As for `snr`.
        norm: `sum` as in the paper's text; `mean-fan-in` divides by the incoming weights of a
            node; `authors` by all weights of the layer, as the code does.

    References:
        Ayle et al., 2022, section 5.
    """
    return {name: NORMS[norm](ratios.flatten(1)) for name, ratios in snr(scoring).items()}


def check_noise(kind: str) -> None:
    """Refuses a kind of network whose weights have no noise.

    Raises:
        BenchError: E-BAD-VALUE.
    """
    if kind != "bayesian":
        raise BenchError(
            "E-BAD-VALUE",
            "snr: the network's weights have no noise, expected a Bayesian one, as "
            "--arch bayesian:lenet5-plain makes",
        )
