"""Pooling answers as torch's own does, to the bit."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d

from bench.models.pooling import SIDE, max_pool, spread

SHAPES = [(3, 6, 28, 28), (2, 16, 10, 10), (1, 1, 2, 2), (2, 3, 7, 5), (2, 3, 4, 9)]


def maps(*shape: int) -> Tensor:
    """With many equal values, as of plain backgrounds."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).round(decimals=1)


def slope(pool: Callable[[Tensor], Tensor], values: Tensor) -> tuple[Tensor, Tensor]:
    """What it answers, and a gradient through it that no two of its outputs share."""
    values = values.clone().requires_grad_()
    answer = pool(values)
    generator = torch.Generator().manual_seed(1)
    (found,) = torch.autograd.grad(answer, values, torch.randn(answer.shape, generator=generator))
    return answer.detach(), found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_largest_of_every_window(shape, layout):
    values = maps(*shape).to(memory_format=layout)
    with torch.inference_mode():
        assert torch.equal(max_pool(values), max_pool2d(values, 2))
    for got, expected in zip(
        slope(max_pool, values), slope(lambda x: max_pool2d(x, 2), values), strict=True
    ):
        assert torch.equal(got, expected)


@torch.inference_mode()
def test_what_is_no_number_stays_so():
    values = maps(1, 1, 4, 4)
    values[0, 0, 1, 2] = torch.nan
    assert torch.equal(max_pool(values).isnan(), max_pool2d(values, 2).isnan())


@pytest.mark.parametrize("shape", [(64, 120, 1, 1), (2, 3, 1, 2), (2, 3, 2, 2), (2, 3, 7, 5)])
def test_a_pixel_is_spread_and_other_maps_are_averaged(shape):
    values = maps(*shape) / 3
    for got, expected in zip(
        slope(spread, values), slope(lambda x: adaptive_avg_pool2d(x, SIDE), values), strict=True
    ):
        assert torch.equal(got, expected)


@pytest.mark.parametrize(
    ("pool", "own", "size"), [(max_pool, max_pool2d, 6), (spread, adaptive_avg_pool2d, 1)]
)
def test_a_traced_network_shows_the_function_of_torch(pool, own, size):
    class Net(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return pool(values)

    called = [
        node.target for node in fx.symbolic_trace(Net()).graph.nodes if node.op == "call_function"
    ]
    assert called == [own]
    assert Net()(maps(1, 1, size, size)).shape == (1, 1, 3, 3)


def total(pool: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    return pool(value.unsqueeze(0)).square().sum()


def of_all(pool: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    return torch.vmap(partial(total, pool))(values).sum()


@pytest.mark.parametrize(
    ("pool", "own", "size"),
    [
        (max_pool, partial(max_pool2d, kernel_size=2), 6),
        (spread, partial(adaptive_avg_pool2d, output_size=SIDE), 1),
    ],
)
def test_transformed_functions_differentiate_as_through_torch(pool, own, size):
    values, tangent = maps(5, 2, size, size), torch.arange(10.0 * size**2).view(5, 2, size, size)
    for transformed in (
        lambda f: torch.vmap(torch.func.grad(partial(total, f)))(values),
        lambda f: torch.func.grad(partial(of_all, f))(values),
        lambda f: torch.func.jvp(f, (values,), (tangent,))[1],
        lambda f: torch.func.jacfwd(partial(total, f))(values[0]),
    ):
        assert torch.equal(transformed(pool), transformed(own))
    known = values.clone().requires_grad_()
    got, expected = (torch.autograd.grad(of_all(f, known), known) for f in (pool, own))
    assert torch.equal(*got, *expected)
