"""Members one after the other against all in one batched computation, and five against one."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from bench.models import build
from bench.models.ensemble import Ensemble, mean_of_probabilities
from tests.performance.timing import interleaved, said

NARROW = {"conv1": 13, "conv2": 38, "conv3": 77, "conv4": 51, "conv5": 102, "fc1": 819, "fc2": 819}
NETWORKS = {"lenet5": (None, (1, 28, 28)), "alexnet": (NARROW, (3, 32, 32))}


class Batched(nn.Module):
    """The same members, of equal widths, stacked."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        members = list(ensemble.members)
        self.stacked = stack_module_state(members)
        self.form = copy.deepcopy(members[0]).to("meta")

    def forward(self, inputs: Tensor) -> Tensor:
        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return functional_call(self.form, (parameters, buffers), (inputs,))

        return mean_of_probabilities(vmap(one)(*self.stacked))


def answer(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return network(images)


def attack(network: nn.Module, images: Tensor) -> None:
    inputs = images.clone().requires_grad_()
    labels = torch.arange(len(images)) % 10
    torch.autograd.grad(cross_entropy(network(inputs), labels), inputs)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_after_the_other_is_no_slower_than_a_batched_computation(name: str) -> None:
    widths, shape = NETWORKS[name]
    loop = Ensemble([build(name, widths=widths) for _ in range(5)]).eval().requires_grad_(False)
    batched, images = Batched(loop), torch.rand(250, *shape)
    torch.testing.assert_close(answer(batched, images), answer(loop, images))
    taken = interleaved(
        5,
        one=lambda: answer(loop.members[0], images),
        loop=lambda: answer(loop, images),
        batched=lambda: answer(batched, images),
        attack_loop=lambda: attack(loop, images),
        attack_batched=lambda: attack(batched, images),
    )
    forward = taken["batched"] / taken["loop"]
    both = taken["attack_batched"] / taken["attack_loop"]
    five = taken["loop"] / taken["one"]
    said(
        f"five {name} on 250 images: {five:.2f} times one; in one vmap {forward:.2f} of the loop, "
        f"forward and backward {both:.2f}"
    )
    assert five <= 6
    assert forward >= 0.95
