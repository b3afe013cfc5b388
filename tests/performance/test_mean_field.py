"""Five samples one after another against all at once, over stacked weights."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from bench.models import initialised
from bench.models.ensemble import mean_of_probabilities
from bench.models.mean_field import MeanField
from tests.performance.timing import interleaved, said

SHAPES = {"lenet5-plain": (250, 1, 28, 28), "conv6-plain": (250, 3, 32, 32)}


def stacked(network: MeanField, images: Tensor) -> Tensor:
    samples = list(network.samples(network.noise))
    weights = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
    return mean_of_probabilities(
        vmap(lambda own: functional_call(network.mean, own, (images,)))(weights)
    )


def slope(answers: Tensor, images: Tensor) -> Tensor:
    return torch.autograd.grad(-answers[:, 0].sum(), images)[0]


@pytest.mark.parametrize(
    ("name", "rounds", "least"), [("lenet5-plain", 9, 0.8), ("conv6-plain", 1, 1.0)]
)
def test_stacking_the_samples_is_no_faster(name: str, rounds: int, least: float) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = SHAPES[name]
    network = initialised(f"bayesian:{name}", classes=10, channels=shape[1], generator=generator)
    assert isinstance(network, MeanField)
    images = torch.rand(shape, generator=generator).requires_grad_()
    torch.testing.assert_close(stacked(network, images), network(images), rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        forward = interleaved(
            rounds, loop=lambda: network(images), stacked=lambda: stacked(network, images)
        )
    both = interleaved(
        rounds,
        loop=lambda: slope(network(images), images),
        stacked=lambda: slope(stacked(network, images), images),
    )
    for what, taken in (("forward", forward), ("forward and backward", both)):
        ratio = taken["stacked"] / taken["loop"]
        said(f"{name}, {shape[0]} images, {what}: stacked samples take {ratio:.2f} of the loop")
        assert ratio > least
