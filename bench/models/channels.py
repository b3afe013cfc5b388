"""Hidden channels: which entries of which tensors belong to one, and a network without some."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.models import architecture, build, ends, infer_widths


class Slice(NamedTuple):
    """A part of every channel of a layer: channel c has the entries c·repeat … c·repeat+repeat−1.

    Args:
        tensor: Name in the state dict.
        dim: Of the tensor, along which the channels lie.
        repeat: Entries a channel has there: 1, or more behind a convolution that is flattened.
    """

    tensor: str
    dim: int
    repeat: int


@cache
def channel_slices(name: str) -> Mapping[str, tuple[Slice, ...]]:
    """All that a hidden channel owns, found by building the network one channel wider.

    A residual stream is one layer, with the tensors of all its members.

    Args:
        name: As `architecture` takes it.

    Returns:
        {layer: slices}, layers as in its width spec; the same for every width, number of classes
        and of image channels.

    Raises:
        BenchError: E-UNKNOWN-ARCHITECTURE.
    """
    widths = architecture(name).widths
    before = _shapes(name, widths)
    return {
        layer: tuple(
            Slice(tensor, dim, after - size)
            for tensor, shape in _shapes(name, {**widths, layer: width + 1}).items()
            for dim, (size, after) in enumerate(zip(before[tensor], shape, strict=True))
            if after > size
        )
        for layer, width in widths.items()
    }


def remove_channels(
    tensors: Mapping[str, Tensor],
    slices: Mapping[str, tuple[Slice, ...]],
    kept: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Copies of tensors without the channels that go.

    Args:
        tensors: A state dict, some of its tensors, or others of the same names and shapes.
        slices: As `channel_slices` gives them.
        kept: {layer: (channels,) bool tensor}, True where the channel stays; a layer left out
            keeps all.

    Returns:
        {name: tensor} in the order given; a tensor without a removed channel is not copied.
    """
    narrow = dict(tensors)
    for layer, stays in kept.items():
        for tensor, dim, repeat in slices[layer]:
            if tensor in narrow:
                entries = stays.repeat_interleave(repeat).nonzero().flatten()
                whole = narrow[tensor]
                narrow[tensor] = whole.index_select(dim, entries.to(whole.device))
    return narrow


def narrowed(name: str, network: nn.Module, kept: Mapping[str, Tensor]) -> nn.Module:
    """A new network that has only the channels that stay.

    Args:
        name: As `architecture` takes it.
        network: Of that architecture, of any widths; left as it is.
        kept: As in `remove_channels`.

    Returns:
        The narrow network on the same device, of the same dtype and in the same mode.

    Raises:
        BenchError: E-UNKNOWN-ARCHITECTURE; E-WRONG-WEIGHTS if a layer is left without a channel.
    """
    tensors = remove_channels(network.state_dict(), channel_slices(name), kept)
    narrow = resized(name, network, infer_widths(name, tensors))
    narrow.load_state_dict(tensors)
    return narrow


def resized(name: str, network: nn.Module, widths: Mapping[str, int]) -> nn.Module:
    """A network of other widths, its weights not yet meaningful.

    Args:
        name: As `architecture` takes it.
        network: Of that architecture; device, dtype and mode are taken from it.
        widths: Output channels by layer.
    """
    channels, classes = ends(network)
    first = next(network.parameters())
    other = build(name, classes=classes, channels=channels, widths=widths)
    return other.to(first.device, first.dtype).train(network.training)


def _shapes(name: str, widths: Mapping[str, int]) -> dict[str, torch.Size]:
    with torch.device("meta"):
        network = build(name, widths=widths)
    return {tensor: value.shape for tensor, value in network.state_dict().items()}
