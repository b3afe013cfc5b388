"""Several networks that answer as one."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

Combine = Literal["probabilities", "logits"]
COMBINE: tuple[Combine, ...] = get_args(Combine)


def mean_of_probabilities(logits: Tensor) -> Tensor:
    """(M, N, K) logits of M members to (N, K) logarithms of the mean of their softmax."""
    return logits.log_softmax(2).logsumexp(0) - math.log(len(logits))


def mean_of_logits(logits: Tensor) -> Tensor:
    """(M, N, K) logits of M members to (N, K) log-softmax of their mean: a geometric mean."""
    return logits.mean(0).log_softmax(1)


MEANS: Mapping[Combine, Callable[[Tensor], Tensor]] = {
    "probabilities": mean_of_probabilities,
    "logits": mean_of_logits,
}


class Ensemble(nn.Module):
    """Answers with log-probabilities of the members' mean prediction.

    Args:
        members: Networks of the same images and classes.
        combine: `probabilities` averages softmax outputs (Lakshminarayanan et al., 2017);
            `logits` averages logits, as the code of Ayle et al. does.
    """

    def __init__(self, members: Sequence[nn.Module], combine: Combine = "probabilities") -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, H, W) normalised images to (N, K) log-probabilities."""
        return MEANS[self.combine](torch.stack([member(inputs) for member in self.members]))
