"""Weight gradients of many small batches out of one forward and backward pass.

A layer's gradient on a batch is the product of its outputs' gradients with its (unfolded)
inputs, and both of all batches come out of one pass. That is faster than a pass a batch while the
unfolded inputs of a batch are small: for LeNet5 up to 15 images. `vmap` of `grad`
was slower than the faster of the two ways wherever it was measured.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from bench.models import prunable

SMALL = 2 * 2**20  # bytes of a batch's unfolded inputs up to which passes are shared; measured
BUDGET = 16 * 2**20  # bytes of the unfolded inputs of all batches that share a pass; measured
PIECE = 4 * 2**20  # bytes of them that are there at once; measured
GRADIENTS = 32 * 2**20  # bytes of all their gradients, which are there at once
Layer = nn.Conv2d | nn.Linear
Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


def layers(network: nn.Module) -> dict[str, Layer]:
    """{name of a prunable weight: its layer}, in the order of `prunable`."""
    found = {name: network.get_submodule(name.rpartition(".")[0]) for name in prunable(network)}
    return {name: layer for name, layer in found.items() if isinstance(layer, Layer)}


class Tape:
    """Keeps inputs and outputs of layers while a network runs.

    Args:
        layers: By name.
    """

    def __init__(self, layers: dict[str, Layer]) -> None:
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self.calls: list[str] = []
        self._handles = [
            layer.register_forward_hook(self._keeper(name)) for name, layer in layers.items()
        ]

    def _keeper(self, name: str) -> Hook:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.inputs[name], self.outputs[name] = inputs[0].detach(), output
            self.calls.append(name)

        return keep

    def __enter__(self) -> "Tape":
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()


def products(layer: Layer, inputs: Tensor, slope: Tensor, size: int) -> Tensor:
    """The gradients of a layer's weight, batch by batch.

    Args:
        layer: As `batches_of_a_pass` takes them.
        inputs: Of the layer, (G · size, …).
        slope: Gradient of the loss by its outputs, (G · size, out, …).
        size: Images of a batch.

    Returns:
        (G, *shape of the weight).
    """
    inputs, slope = inputs.unflatten(0, (-1, size)), slope.unflatten(0, (-1, size))
    if isinstance(layer, nn.Linear):
        return slope.mT @ inputs
    few = max(1, PIECE // _unfolded(layer, slope[0]) // slope.element_size())
    found = [
        lot.permute(0, 2, 3, 1, 4).flatten(2) @ _columns(layer, images, lot.shape[3]).mT
        for lot, images in zip(slope.split(few), inputs.split(few), strict=True)
    ]
    return torch.cat(found).unflatten(2, layer.weight.shape[1:])


def _columns(layer: nn.Conv2d, inputs: Tensor, rows: int) -> Tensor:
    """(G, in · kh · kw, rows · B · columns): what every weight meets in (G, B, in, H, W).

    First across, then down: what a row of weights meets lies in one piece, and is copied as such.
    """
    down, across = (int(side) for side in layer.padding)
    stride, step = layer.stride
    padded = pad(inputs, (across, across, down, down))
    windows = padded.unfold(4, layer.kernel_size[1], step)  # (G, B, in, H, columns, kw)
    lines = windows.permute(0, 2, 5, 3, 1, 4).contiguous()  # (G, in, kw, H, B, columns)
    reach = stride * (rows - 1) + 1
    shifts = [lines[:, :, :, top : top + reach : stride] for top in range(layer.kernel_size[0])]
    return torch.stack(shifts, 2).flatten(4).flatten(1, 3)


@torch.no_grad()
def batches_of_a_pass(network: nn.Module, images: Tensor) -> int:
    """How many batches like this one share a pass: 1 if they had better not, or cannot.

    They can if every prunable layer is called once, Linear layers with (N, in) and convolutions
    without groups, dilation and padding other than zeros.
    """
    found = layers(network)
    with Tape(found) as tape:
        network(images[:1])
    if sorted(tape.calls) != sorted(found):
        return 1
    if not all(_is_plain(layer, tape.outputs[name]) for name, layer in found.items()):
        return 1
    unfolded = sum(_unfolded(layer, tape.outputs[name]) for name, layer in found.items())
    taken = len(images) * unfolded * images.element_size()
    if taken > SMALL:
        return 1
    gradients = sum(layer.weight.numel() * layer.weight.element_size() for layer in found.values())
    return max(1, min(BUDGET // taken, GRADIENTS // gradients))


def _unfolded(layer: Layer, output: Tensor) -> int:
    """Numbers that the unfolded inputs of an output, (B, out, …), have."""
    return layer.weight[0].numel() * output[:, 0].numel()


def _is_plain(layer: Layer, output: Tensor) -> bool:
    if isinstance(layer, nn.Linear):
        return output.dim() == 2
    return (
        layer.groups == 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )
