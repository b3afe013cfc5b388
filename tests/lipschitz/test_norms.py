import math

import numpy as np
import pytest
import torch
from torch import nn

from bench.lipschitz import (
    jacobian_norm,
    layer_norms,
    product_log10,
    upper_log10,
)
from tests.lipschitz.networks import (
    NOT_IMAGES,
    dense_matrix,
    filled,
    generator,
    spectral_norm,
)


@pytest.mark.parametrize("density", [1.0, 0.1])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": (2, 3), "padding": (0, 2), "stride": (1, 2)},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 3, "padding": 1, "groups": 3},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
        {"kernel_size": 1},
        {"kernel_size": 1, "stride": 2},
        {"kernel_size": 1, "padding": 1},
        {"kernel_size": 3, "padding": 1, "bias": False},
    ],
    ids=str,
)
def test_the_norm_of_a_convolution_is_that_of_its_matrix(options: dict, density: float) -> None:
    layer = filled(nn.Conv2d(3, 6, **options), density=density)
    norm = layer_norms(layer, NOT_IMAGES)[""]
    layer = layer.double()
    layer.bias = None
    assert norm == pytest.approx(spectral_norm(dense_matrix(layer, NOT_IMAGES)), rel=1e-6)


def test_the_norm_of_a_pointwise_convolution_is_that_of_its_weights() -> None:
    layer = filled(nn.Conv2d(40, 30, 1, stride=2))
    weight = layer.weight.detach().double().view(30, 40).numpy()
    assert layer_norms(layer, (40, 8, 8))[""] == pytest.approx(spectral_norm(weight), rel=1e-6)


def test_the_norm_of_a_circular_convolution_is_the_largest_of_its_symbol() -> None:
    layer = filled(nn.Conv2d(4, 5, 3, padding=1, padding_mode="circular"))
    norm = layer_norms(layer, (4, 16, 16))[""]
    assert norm == pytest.approx(largest_symbol(layer, 16), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_zero_padding_never_exceeds_the_largest_symbol(seed: int) -> None:
    layer = filled(nn.Conv2d(4, 5, 3, padding=1), seed)
    norm = layer_norms(layer, (4, 16, 16))[""]
    assert 0.8 * largest_symbol(layer, 256) < norm <= largest_symbol(layer, 256) * (1 + 1e-3)


def largest_symbol(layer: nn.Conv2d, size: int) -> float:
    symbols = np.fft.fft2(layer.weight.detach().double().numpy(), (size, size))
    return float(np.linalg.norm(symbols.transpose(2, 3, 0, 1), ord=2, axis=(2, 3)).max())


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (10, 84), (300, 200), (7, 1000)])
def test_the_norm_of_a_linear_layer_is_its_largest_singular_value(rows: int, columns: int) -> None:
    layer = filled(nn.Linear(columns, rows))
    expected = spectral_norm(layer.weight.detach().double().numpy())
    norm = layer_norms(nn.Sequential(nn.Flatten(), layer), (columns, 1, 1))["1"]
    assert norm == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("factor", [1e-25, 1e-20, 1e20, 2.0**-60, 2.0**60])
def test_the_norm_grows_with_the_weights_also_beyond_what_float32_can_square(factor) -> None:
    layer = filled(nn.Linear(40, 30))
    norm = layer_norms(layer, (1, 1, 40))[""]
    layer.weight.data *= factor
    assert layer_norms(layer, (1, 1, 40))[""] == pytest.approx(norm * factor, rel=1e-6, abs=0)


def test_close_singular_values_are_told_apart_or_are_the_same_to_1e_6() -> None:
    values = torch.linspace(0.999, 1, 200, dtype=torch.float64)
    left, right = (
        torch.linalg.qr(torch.randn(200, 200, generator=generator(s), dtype=torch.float64))[0]
        for s in (1, 2)
    )
    layer = nn.Linear(200, 200)
    layer.weight.data = ((left * values) @ right).float()
    assert layer_norms(layer, (1, 1, 200))[""] == pytest.approx(1, rel=1e-6)


def test_the_norm_of_a_batchnorm_is_its_largest_factor() -> None:
    layer = nn.BatchNorm2d(3, eps=0.25).eval()
    layer.weight.data = torch.tensor([1.0, -3.0, 0.5])
    layer.running_var = torch.tensor([0.75, 2.0, 0.0])
    assert layer_norms(layer, NOT_IMAGES)[""] == pytest.approx(2, rel=1e-12)
    plain = nn.BatchNorm2d(3, affine=False, eps=0.25).eval()
    plain.running_var = torch.tensor([0.75, 2.0, 0.0])
    assert layer_norms(plain, NOT_IMAGES)[""] == 2


def test_norms_are_the_same_twice_and_leave_the_network_as_it_was() -> None:
    network = filled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert layer_norms(network, NOT_IMAGES) == layer_norms(network, NOT_IMAGES)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in network.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert not any(layer._forward_pre_hooks for layer in network.modules())


def test_the_product_of_a_perceptron_is_that_of_its_singular_values() -> None:
    network = filled(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(90, 50),
            nn.ReLU(),
            nn.Linear(50, 40),
            nn.ReLU(),
            nn.Linear(40, 10),
        )
    )
    weights = [layer.weight for layer in network if isinstance(layer, nn.Linear)]
    expected = math.prod(spectral_norm(weight.detach().double().numpy()) for weight in weights)
    norms = layer_norms(network, NOT_IMAGES)
    assert product_log10(norms) == pytest.approx(math.log10(expected), abs=1e-6)
    bound = upper_log10(network, NOT_IMAGES, norms)
    assert bound == pytest.approx(math.log10(expected), abs=1e-5)


def test_a_zero_layer_has_norm_zero_and_the_product_no_logarithm() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(48, 10)).eval()
    network[0].weight.data.zero_()
    norms = layer_norms(network, NOT_IMAGES)
    assert norms["0"] == 0
    assert product_log10(norms) is None
    assert upper_log10(network, NOT_IMAGES, norms) is None
    assert jacobian_norm(network, torch.rand(2, *NOT_IMAGES)) == 0
