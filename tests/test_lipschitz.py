import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from bench.lipschitz import (
    constants,
    jacobian_norm,
    layer_norms,
    product_log10,
    upper_log10,
)
from bench.models import ARCHITECTURES, Normalised, build

seeds = st.integers(0, 2**32 - 1)
SHAPES = {1: (1, 28, 28), 3: (3, 32, 32)}
NOT_IMAGES = (3, 6, 5)  # channels, height, width of small inputs that are not square


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filled(network: nn.Module, seed: int = 0, density: float = 1.0) -> nn.Module:
    """Random weights, some zeroed, and BatchNorm statistics as training leaves them."""
    draws = generator(seed)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan_in = layer.weight[0].numel()
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=draws))
                layer.weight.mul_(torch.rand(layer.weight.shape, generator=draws) < density)
                layer.weight.div_(math.sqrt(fan_in))
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=draws))
                layer.running_mean.copy_(torch.randn(layer.weight.shape, generator=draws))
                layer.running_var.copy_(torch.rand(layer.weight.shape, generator=draws) + 0.05)
    return network.eval()


def dense_matrix(operator: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> np.ndarray:
    """Matrix of a linear map in float64, from its answers to the unit vectors."""
    size = math.prod(shape)
    with torch.no_grad():
        columns = operator(torch.eye(size, dtype=torch.float64).view(size, *shape))
    return columns.flatten(1).numpy().T


def spectral_norm(matrix: np.ndarray) -> float:
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


def upper(network: nn.Module, shape: tuple[int, int, int]) -> float:
    bound = upper_log10(network, shape, layer_norms(network, shape))
    assert bound is not None
    return 10**bound


# spectral norms of layers


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


# the product


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
    assert upper(network, NOT_IMAGES) == pytest.approx(expected, rel=1e-5)


def test_a_zero_layer_has_norm_zero_and_the_product_no_logarithm() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(48, 10)).eval()
    network[0].weight.data.zero_()
    norms = layer_norms(network, NOT_IMAGES)
    assert norms["0"] == 0
    assert product_log10(norms) is None
    assert upper_log10(network, NOT_IMAGES, norms) is None
    assert jacobian_norm(network, torch.rand(2, *NOT_IMAGES)) == 0


# the bound along the graph


class Residual(nn.Module):
    def __init__(self, shortcut: nn.Module) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 4, 3, padding=1)
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.shortcut = shortcut

    def forward(self, images: Tensor) -> Tensor:
        values = functional.relu(self.before(images))
        return functional.relu(self.branch(values) + self.shortcut(values))


@pytest.mark.parametrize("shortcut", [nn.Identity(), nn.Conv2d(4, 4, 1)], ids=["same", "conv"])
def test_a_residual_block_adds_its_branches(shortcut: nn.Module) -> None:
    network = filled(Residual(shortcut))
    norms = layer_norms(network, NOT_IMAGES)
    branch = norms["branch.0"] * norms["branch.1"]
    expected = norms["before"] * (branch + norms.get("shortcut", 1))
    assert upper(network, NOT_IMAGES) == pytest.approx(expected, rel=1e-5)


def test_a_pruned_away_branch_leaves_the_bound_of_the_shortcut() -> None:
    network = filled(Residual(nn.Identity()))
    network.branch[0].weight.data.zero_()
    norms = layer_norms(network, NOT_IMAGES)
    assert product_log10(norms) is None
    assert upper(network, NOT_IMAGES) == pytest.approx(norms["before"], rel=1e-5)


class Apply(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x + x, 2),
        (lambda x: x + 3, 1),
        (lambda x: functional.relu(x) + x.relu() + torch.relu(x), 3),
        (lambda x: functional.leaky_relu(x, 0.1), 1),
        (lambda x: functional.leaky_relu(x, -2.0), 2),
        (lambda x: functional.dropout(x, 0.5, training=False), 1),
        (lambda x: x.view(x.size(0), -1) + x.flatten(1) + torch.flatten(x, 1), 3),
        (lambda x: x.reshape(x.shape[0], -1), 1),
        (lambda x: x.mean((2, 3)), 1 / math.sqrt(30)),
        (lambda x: torch.mean(x, (2, 3), keepdim=True), 1 / math.sqrt(30)),
        (lambda x: functional.adaptive_avg_pool2d(x, 1), 1 / math.sqrt(30)),
        (lambda x: functional.avg_pool2d(x, (2, 5)), 1 / math.sqrt(10)),
        (lambda x: functional.max_pool2d(x, 2), 1),
        (lambda x: functional.max_pool2d(x, 3, 2), 2),
        (lambda x: functional.max_pool2d(x, (1, 3), stride=(1, 1)), math.sqrt(3)),
    ],
)
def test_operations_without_weights_have_their_constant(
    function: Callable[[Tensor], Tensor], expected: float
) -> None:
    assert upper(Apply(function), NOT_IMAGES) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, stride=1),
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False, ceil_mode=True),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((4, 3)),
        nn.AdaptiveAvgPool2d((9, 7)),
    ],
    ids=str,
)
def test_the_constant_of_average_pooling_is_that_of_its_matrix(pool: nn.Module) -> None:
    expected = spectral_norm(dense_matrix(pool, NOT_IMAGES))
    assert upper(pool, NOT_IMAGES) == pytest.approx(expected, rel=1e-5)
    assert upper(pool, NOT_IMAGES) >= expected


def test_the_constant_of_replicating_one_value_to_3_by_3_is_3() -> None:
    assert upper(nn.AdaptiveAvgPool2d(3), (5, 1, 1)) == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        (2, 2, 0, 1),
        (3, 2, 0, 1),
        (3, 2, 1, 1),
        (3, 1, 1, 1),
        (5, 2, 2, 1),
        (3, 2, 0, 2),
        (2, 3, 0, 1),
    ],
)
def test_the_constant_of_max_pooling_is_reached_by_one_bright_pixel_and_never_exceeded(
    kernel: int, stride: int, padding: int, dilation: int
) -> None:
    pool = nn.MaxPool2d(kernel, stride, padding, dilation)
    constant = upper(pool, (1, 12, 12))
    bumps = torch.eye(144, dtype=torch.float64).view(144, 1, 12, 12)
    assert pool(bumps).flatten(1).norm(dim=1).max() == pytest.approx(constant, rel=1e-9)
    first, second = torch.randn(2, 5000, 1, 12, 12, generator=generator(kernel))
    steps = (first - second).flatten(1).norm(dim=1)
    assert ((pool(first) - pool(second)).flatten(1).norm(dim=1) <= constant * steps).all()


class Overwritten(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        values = functional.relu(images)
        doubled = values
        doubled += images
        return doubled + values


class Joint(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images * functional.relu(images)


class Branching(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images if images.sum() > 0 else -images


@pytest.mark.parametrize(
    "network",
    [
        nn.Softmax(1),
        nn.MaxPool2d(2, return_indices=True),
        Overwritten(),
        Joint(),
        Branching(),
        Apply(lambda x: x + x.mean((2, 3), keepdim=True)),
        Apply(lambda x: torch.add(x, x, alpha=2)),
        Apply(lambda x: x.sum(1)),
    ],
)
def test_an_operation_without_a_rule_is_refused(network: nn.Module) -> None:
    with pytest.raises(NotImplementedError):
        upper_log10(network.eval(), NOT_IMAGES, {})


def test_a_layer_without_a_rule_is_refused_by_name() -> None:
    network = nn.Sequential(nn.Flatten(), nn.LayerNorm(90)).eval()
    with pytest.raises(NotImplementedError, match="1: no Lipschitz constant"):
        layer_norms(network, NOT_IMAGES)


# the lower bound, and the order of all three


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


def small_network(seed: int, density: float = 1.0) -> nn.Module:
    network = nn.Sequential(
        Residual(nn.Conv2d(4, 4, 1)),
        nn.MaxPool2d(3, 2, padding=1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 12),
        nn.BatchNorm1d(12),
        nn.LeakyReLU(0.05),
        nn.Dropout(0.3),
        nn.Linear(12, 7),
    )
    return filled(network, seed, density)


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
@pytest.mark.parametrize("name", ARCHITECTURES)
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
