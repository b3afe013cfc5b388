"""What every network has: prunable weights, a last layer, and a normalisation in front."""

import torch
from torch import Tensor, nn


class Normalised(nn.Module):
    """A network behind its input normalisation, so that attacks differentiate through it.

    Args:
        network: Takes (images − mean) / std.
        mean: One number a channel, in image units; empty for no normalisation.
        std: Likewise, positive.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, network: nn.Module, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()
    ) -> None:
        super().__init__()
        self.network = network
        self.mean, self.std = mean, std
        self.register_buffer("shift", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def around(self, network: nn.Module) -> "Normalised":
        """Another network behind the same normalisation, on the same device."""
        return Normalised(network, self.mean, self.std).to(self.shift.device)

    def unnormalised(self, inputs: Tensor) -> Tensor:
        """The images at which the network behind the normalisation sees these inputs."""
        return inputs * self.scale + self.shift if self.mean else inputs

    def normalised(self, images: Tensor) -> Tensor:
        """What the network behind the normalisation sees of images in [0, 1]."""
        return (images - self.shift) / self.scale if self.mean else images

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) float32 images in [0, 1] to the network's answer."""
        return self.network(self.normalised(images))


def prunable(network: nn.Module) -> dict[str, nn.Parameter]:
    """Weights of all Conv2d and Linear layers, the first, shortcut and last included.

    Biases and BatchNorm are never pruned.

    Returns:
        {"conv1.weight": parameter, ...} in the order of `named_modules`.
    """
    return {
        f"{name}.weight": module.weight
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and isinstance(module.weight, nn.Parameter)
    }


def ends(network: nn.Module) -> tuple[int, int]:
    """Channels of the images that it takes, and classes that it tells apart."""
    return next(iter(prunable(network).values())).shape[1], last_linear(network).out_features


def last_linear(network: nn.Module) -> nn.Linear:
    """The classifier: the last Linear layer in the order of `named_modules`.

    Raises:
        ValueError: If there is none.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ValueError(f"{type(network).__name__}: got no Linear layer, expected a classifier")
    return layers[-1]
