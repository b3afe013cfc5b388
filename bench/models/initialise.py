"""Seeded initialisation: draws come from a generator, never from torch's global state."""

import math

import torch
from torch import nn

LEAK = 0.05  # negative slope of the LeakyReLU in LeNet5, AlexNet and Conv6


@torch.no_grad()
def orthogonal(network: nn.Module, generator: torch.Generator) -> None:
    """The authors' rule: orthogonal weights with the gain of a LeakyReLU(0.05), last layer 1.

    Biases are uniform in ±1/√fan_in.

    References:
        Ayle et al., 2022, authors' code.
    """
    layers = _layers(network)
    gain = nn.init.calculate_gain("leaky_relu", LEAK)
    for layer in layers:
        last = layer is layers[-1]
        nn.init.orthogonal_(layer.weight, gain=1.0 if last else gain, generator=generator)
        _uniform_bias(layer, generator)


@torch.no_grad()
def torch_default(network: nn.Module, generator: torch.Generator) -> None:
    """PyTorch's own rule for Conv2d and Linear layers."""
    for layer in _layers(network):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
        _uniform_bias(layer, generator)


def _layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def _uniform_bias(layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
