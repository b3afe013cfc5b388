"""The product of spectral norms against power iteration through autograd, both to 1e-6."""

import math
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.lipschitz import layer_norms, product_log10
from bench.models import build

SHAPE = (3, 32, 32)


def random_resnet18() -> nn.Module:
    """Random weights have their singular values close together: hard work for both sides."""
    network = build("resnet18-relu", classes=10).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        if weight.ndim > 1:
            draws = torch.randn(weight.shape, generator=generator)
            weight.copy_(draws * math.sqrt(2 / weight[0].numel()))
    return network


def linear_layers(network: nn.Module) -> dict[str, tuple[nn.Module, torch.Size]]:
    """Each Conv2d and Linear without its bias, and the shape of its input."""
    found: dict[str, tuple[nn.Module, torch.Size]] = {}

    def hook_of(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found[name] = layer, inputs[0].shape

        return keep

    handles = [
        layer.register_forward_pre_hook(hook_of(name))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    network(torch.zeros(1, *SHAPE))
    for handle in handles:
        handle.remove()
    for layer, _ in found.values():
        layer.bias = None
    return found


def steps_of_power_iteration(layer: nn.Module, shape: torch.Size, norm: float) -> int:
    """Steps until it is within 1e-6 of the norm, which it could not know by itself."""
    vector = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for step in range(1, 50_000):
        vector = (vector / vector.norm()).requires_grad_()
        energy = layer(vector).square().sum()
        if abs(math.sqrt(float(energy.detach())) - norm) <= 1e-6 * norm:
            return step
        (vector,) = torch.autograd.grad(energy, vector)
    raise ArithmeticError(f"{layer}: no convergence")


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_the_product_of_resnet18_takes_a_tenth_of_power_iteration() -> None:
    network = random_resnet18()
    layers = linear_layers(network)
    norms = layer_norms(network, SHAPE)
    ours, theirs, first_500, reached = [], 0.0, 0.0, 0
    for name, (layer, shape) in layers.items():
        ours.append(seconds(lambda: product_log10(layer_norms(network, SHAPE))))
        started = time.perf_counter()
        steps = steps_of_power_iteration(layer, shape, norms[name])
        taken = time.perf_counter() - started
        theirs += taken
        first_500 += taken * min(1, 500 / steps)
        reached += steps <= 500
    product = statistics.mean(ours)
    sys.stdout.write(
        f"\nproduct of resnet18: {product:.2f} s; power iteration to 1e-6: {theirs:.1f} s, "
        f"{theirs / product:.1f} times as long; its first 500 steps: {first_500:.1f} s, "
        f"{first_500 / product:.1f} times, with {reached} of {len(layers)} layers at 1e-6\n"
    )
    assert theirs / product >= 10
