import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.lipschitz import (
    constants,
    jacobian_norm,
    layer_norms,
    upper_log10,
)
from bench.models import ARCHITECTURES, Normalised, build
from tests.lipschitz.networks import (
    NOT_IMAGES,
    filled,
    generator,
    small_network,
    spectral_norm,
)

seeds = st.integers(0, 2**32 - 1)
SHAPES = {1: (1, 28, 28), 3: (3, 32, 32)}
SMALL = ("lenet5", "conv6")


@settings(max_examples=50, deadline=None)
@given(seed=seeds)
def test_the_lower_bound_is_the_largest_norm_of_the_full_jacobians(seed: int) -> None:
    network = small_network(seed).double()
    images = torch.rand(4, *NOT_IMAGES, generator=generator(seed), dtype=torch.float64)
    jacobians = [
        torch.autograd.functional.jacobian(network, image[None]).view(7, -1).numpy()
        for image in images
    ]
    expected = max(map(spectral_norm, jacobians))
    assert jacobian_norm(network, images) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(seed=seeds, density=st.sampled_from([1.0, 0.5, 0.1]))
def test_no_slope_exceeds_the_upper_bound(seed: int, density: float) -> None:
    network = small_network(seed, density)
    bound = upper_log10(network, NOT_IMAGES, layer_norms(network, NOT_IMAGES))
    constant = 0 if bound is None else 10**bound
    images = torch.rand(64, *NOT_IMAGES, generator=generator(seed))
    assert jacobian_norm(network, images) <= constant * (1 + 1e-5)
    with torch.no_grad():
        rises = (network(images[:32]) - network(images[32:])).norm(dim=1)
    assert (rises <= constant * (images[:32] - images[32:]).flatten(1).norm(dim=1) + 1e-5).all()


def test_a_linear_model_has_one_constant() -> None:
    network = filled(nn.Sequential(nn.Flatten(), nn.Linear(90, 10)))
    expected = spectral_norm(network[1].weight.detach().double().numpy())
    found = constants(Normalised(network), torch.rand(3, *NOT_IMAGES))
    assert found.lower == pytest.approx(expected, rel=1e-5)
    assert found.product_log10 == pytest.approx(math.log10(expected), abs=1e-6)
    assert found.upper_log10 == pytest.approx(math.log10(expected), abs=1e-5)


def test_constants_are_those_of_pixels() -> None:
    network = small_network(3)
    images = torch.rand(3, *NOT_IMAGES, generator=generator(3))
    bare = constants(Normalised(network), images)
    same = constants(Normalised(network, (0.0, 0.0, 0.0), (0.25, 0.25, 0.25)), images / 4)
    assert same.lower == pytest.approx(4 * bare.lower, rel=1e-5)
    assert same.product_log10 == pytest.approx(bare.product_log10 + math.log10(4), abs=1e-9)
    mixed = constants(Normalised(network, (0.1, 0.2, 0.3), (1.0, 0.25, 0.5)), images)
    assert mixed.product_log10 == same.product_log10
    assert mixed.upper_log10 == same.upper_log10


def test_what_cannot_be_bounded_has_no_value_but_still_a_lower_bound() -> None:
    strange = nn.Sequential(nn.Flatten(), nn.LayerNorm(90), nn.Linear(90, 4)).eval()
    found = constants(Normalised(strange), torch.rand(2, *NOT_IMAGES))
    assert found.product_log10 is None
    assert found.upper_log10 is None
    assert found.lower > 0
    softmax = nn.Sequential(nn.Flatten(), filled(nn.Linear(90, 4)), nn.Softmax(1)).eval()
    found = constants(Normalised(softmax), torch.rand(2, *NOT_IMAGES))
    assert found.product_log10 is not None
    assert found.upper_log10 is None


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        jacobian_norm(small_network(0), torch.rand(0, *NOT_IMAGES))


@pytest.mark.parametrize("density", [1.0, 0.05])
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in SMALL else pytest.mark.slow) for n in ARCHITECTURES]
)
def test_lower_is_at_most_upper_for_every_architecture(name: str, density: float) -> None:
    network = filled(build(name, classes=10), density=density)
    images = torch.rand(2, *SHAPES[ARCHITECTURES[name].channels], generator=generator(1))
    found = constants(
        Normalised(network, (0.5,) * len(images[0]), (0.25,) * len(images[0])), images
    )
    assert found.product_log10 is not None
    assert found.upper_log10 is not None
    assert 0 < found.lower <= 10**found.upper_log10


def test_the_bound_of_a_residual_network_is_that_of_its_blocks_by_hand() -> None:
    network = filled(build("resnet18-relu", classes=10))
    norms = layer_norms(network, (3, 32, 32))
    assert len(norms) == 41
    found = upper_log10(network, (3, 32, 32), norms)
    assert found == pytest.approx(math.log10(by_hand(norms)), abs=1e-4)


def by_hand(norms: dict[str, float]) -> float:
    """Stem, eight blocks of two convolutions, three with a projection, average of 4 × 4, head."""
    values = list(norms.values())
    bound, at = values[0] * values[1], 2
    for block in range(8):
        names = list(norms)[at : at + 6]
        projected = block in (2, 4, 6)
        branch = math.prod(values[at : at + 4])
        shortcut = math.prod(values[at + 4 : at + 6]) if projected else 1.0
        assert len({name.rsplit(".", 2)[0] for name in names[:4]}) == 1
        bound *= branch + shortcut
        at += 6 if projected else 4
    return bound / 4 * values[at]
