import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.lipschitz import (
    layer_norms,
    product_log10,
    upper_log10,
)
from tests.lipschitz.networks import (
    NOT_IMAGES,
    Residual,
    dense_matrix,
    filled,
    generator,
    spectral_norm,
)


def upper(network: nn.Module, shape: tuple[int, int, int]) -> float:
    bound = upper_log10(network, shape, layer_norms(network, shape))
    assert bound is not None
    return 10**bound


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
