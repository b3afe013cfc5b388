"""Small networks with random weights, and the dense matrices to compare with."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

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


class Residual(nn.Module):
    def __init__(self, shortcut: nn.Module) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 4, 3, padding=1)
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.shortcut = shortcut

    def forward(self, images: Tensor) -> Tensor:
        values = functional.relu(self.before(images))
        return functional.relu(self.branch(values) + self.shortcut(values))


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
