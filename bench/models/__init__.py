"""Architectures: name -> how a network of given widths is built. No weights are read here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models.alexnet import ALEXNET_WIDTHS, AlexNet
from bench.models.conv6 import CONV6_WIDTHS, Conv6
from bench.models.initialise import orthogonal, torch_default
from bench.models.lenet5 import LENET5_WIDTHS, LeNet5
from bench.models.mean_field import MeanField, initialise
from bench.models.network import Normalised, ends, last_linear, prunable
from bench.models.plain import PlainConv6, PlainLeNet5
from bench.models.resnet18 import RESNET18_WIDTHS, ResNet18, resnet18_relu
from bench.models.robustbench import robustbench_network
from bench.models.timm import timm_network
from bench.records import BAYESIAN

__all__ = [
    "ADAPTERS",
    "ARCHITECTURES",
    "Architecture",
    "Normalised",
    "build",
    "ends",
    "infer_widths",
    "initialised",
    "last_linear",
    "prunable",
]


@dataclass(frozen=True, slots=True)
class Architecture:
    """One row of the table.

    Args:
        network: (widths, classes, channels) -> module.
        widths: Output channels of every layer whose width may vary, at full width.
        initialise: Draws the weights of a fresh network.
        channels: Of the images it was made for.
    """

    network: Callable[[Mapping[str, int], int, int], nn.Module]
    widths: Mapping[str, int]
    initialise: Callable[[nn.Module, torch.Generator], None]
    channels: int


ARCHITECTURES: Mapping[str, Architecture] = {
    "lenet5": Architecture(LeNet5, LENET5_WIDTHS, orthogonal, 1),
    "resnet18": Architecture(ResNet18, RESNET18_WIDTHS, torch_default, 3),
    "resnet18-relu": Architecture(resnet18_relu, RESNET18_WIDTHS, torch_default, 3),
    "alexnet": Architecture(AlexNet, ALEXNET_WIDTHS, orthogonal, 3),
    "conv6": Architecture(Conv6, CONV6_WIDTHS, orthogonal, 3),
    "conv6-plain": Architecture(PlainConv6, CONV6_WIDTHS, orthogonal, 3),
    "lenet5-plain": Architecture(PlainLeNet5, LENET5_WIDTHS, orthogonal, 1),
}

ADAPTERS: Mapping[str, Callable[[str, int, int], nn.Module]] = {
    "timm": timm_network,
    "robustbench": robustbench_network,
}


def build(
    name: str,
    *,
    classes: int = 10,
    channels: int | None = None,
    widths: Mapping[str, int] | None = None,
) -> nn.Module:
    """A network of the table, or of a package by `timm:NAME` or `robustbench:NAME`.

    Args:
        name: As `architecture` takes it, or a reference to a package.
        classes: Logits.
        channels: Of the images; None for the architecture's own.
        widths: Output channels by layer; None for full width.

    Returns:
        The network in evaluation mode, its weights not yet meaningful.

    Raises:
        BenchError: E-UNKNOWN-ARCHITECTURE, or E-MISSING-PACKAGE.
    """
    package, _, rest = name.partition(":")
    if rest and package in ADAPTERS:
        return ADAPTERS[package](rest, classes, channels or 3).eval()
    row = architecture(name)
    return row.network(widths or row.widths, classes, channels or row.channels).eval()


def initialised(name: str, *, classes: int, channels: int, generator: torch.Generator) -> nn.Module:
    """A network of the table with freshly drawn weights, as before training."""
    network = build(name, classes=classes, channels=channels)
    architecture(name).initialise(network, generator)
    return network


def architecture(name: str) -> Architecture:
    """The row of a name.

    Args:
        name: Key of `ARCHITECTURES`; after `bayesian:`, the row of its `MeanField`.

    Raises:
        BenchError: E-UNKNOWN-ARCHITECTURE.
    """
    if name.startswith(BAYESIAN):
        return _mean_field(architecture(name.removeprefix(BAYESIAN)))
    if name not in ARCHITECTURES:
        raise BenchError(
            "E-UNKNOWN-ARCHITECTURE",
            f"architecture: got {name!r}, expected one of {list(ARCHITECTURES)}; networks of "
            "packages (timm:NAME, robustbench:NAME) are scored as they are, not trained here",
        )
    return ARCHITECTURES[name]


def _mean_field(row: Architecture) -> Architecture:
    """The row with Bayesian weights; the layers' names are those of the means."""

    def network(widths: Mapping[str, int], classes: int, channels: int) -> nn.Module:
        own = {name.removeprefix("mean."): width for name, width in widths.items()}
        return MeanField(row.network(own, classes, channels))

    widths = {f"mean.{name}": width for name, width in row.widths.items()}
    return Architecture(network, widths, initialise, row.channels)


def infer_widths(name: str, tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Output channels of each layer as the tensors have them.

    Raises:
        BenchError: E-WRONG-WEIGHTS if a layer is missing or has no channel.
    """
    widths = {}
    for layer in architecture(name).widths:
        weight = tensors.get(f"{layer}.weight")
        if weight is None or weight.dim() == 0 or len(weight) == 0:
            raise BenchError(
                "E-WRONG-WEIGHTS",
                f"{layer}.weight: got {'nothing' if weight is None else tuple(weight.shape)}, "
                f"expected the weights of a layer of {name}",
            )
        widths[layer] = len(weight)
    return widths
