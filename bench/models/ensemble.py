"""Several networks that answer as one."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import torch
from torch import Tensor, nn

from bench.records import Combine

COMBINE: tuple[Combine, ...] = get_args(Combine)  # numbered in the weights: append only


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

    What is averaged is a buffer, so that it is part of the weights' hash: the same members
    combined otherwise are another model.

    Members answer one after the other: five stacked in one `torch.func.vmap` took 1.3 (LeNet5) and
    1.4 times (AlexNet) as long for 250 images on a CPU, by `make bench`. Of 5 images they took
    0.8 and 0.9, but hooks of layers, and members of different widths, cannot be stacked.

    Args:
        members: Networks of the same images and classes.
        combine: `probabilities` averages softmax outputs (Lakshminarayanan et al., 2017);
            `logits` averages logits, as the code of Ayle et al. does.
    """

    def __init__(self, members: Sequence[nn.Module], combine: Combine = "probabilities") -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine
        self.register_buffer("combined", torch.tensor(COMBINE.index(combine)))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, H, W) normalised images to (N, K) log-probabilities."""
        return MEANS[self.combine](torch.stack([member(inputs) for member in self.members]))
