"""What a forward pass costs: multiply-adds, time against another network, memory.

Sparsity, parameters and file size are not counted here: they need no forward pass.
"""

import math
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WARM_UP_ROUNDS = 2


class Macs(NamedTuple):
    """Multiply-adds of one image: with all weights, and with those that are not zero."""

    dense: int
    sparse: int


class Ratio(NamedTuple):
    """A ratio of times and its standard error."""

    value: float
    stderr: float


def macs(network: nn.Module, shape: tuple[int, int, int]) -> Macs:
    """Multiply-adds of one image in the Conv2d and Linear layers.

    A layer has its weights times the output positions that each of them serves; a position in the
    padding counts like any other. Biases, normalisation, activations and pooling are left out.
    Counters that count FLOPs report twice the dense number.

    Args:
        network: In evaluation mode.
        shape: (C, H, W) of one image.

    Returns:
        Both counts; zeros in the weights are skipped by the sparse one only.
    """
    dense, sparse = 0, 0

    def count(layer: Any, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal dense, sparse
        weight = layer.weight  # of this very pass: a Bayesian network puts others in every time
        channels = output.shape[1] if isinstance(layer, nn.Conv2d) else output.shape[-1]
        positions = output.numel() // channels
        dense += weight.numel() * positions
        sparse += int(weight.count_nonzero()) * positions

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    weight = next(network.parameters(), torch.empty(0))
    try:
        with torch.no_grad():
            network(torch.zeros(1, *shape, dtype=weight.dtype, device=weight.device))
    finally:
        for handle in handles:
            handle.remove()
    return Macs(dense, sparse)


def latency_ratio(model: nn.Module, dense: nn.Module, images: Tensor, rounds: int) -> Ratio:
    """Time of a forward pass over that of the dense network, side by side in one process.

    Every round times both, in alternating order, after a warm-up; a machine that is slow for a
    while slows both. Absolute times are not comparable between machines and are not returned.

    Args:
        model: In evaluation mode.
        dense: In evaluation mode, on the same device.
        images: (N, C, H, W) float32 on that device.
        rounds: Timings of each, at least 2.

    Returns:
        Median of the rounds' ratios; its standard error is 1.2533 s/√rounds with the rounds'
        standard deviation s, which holds for normal noise.

    Raises:
        ValueError: If there are fewer than two rounds.
    """
    if rounds < 2:
        raise ValueError(f"rounds: got {rounds}, expected at least 2 for a standard error")
    ratios = []
    for number in range(-_WARM_UP_ROUNDS, rounds):
        pair = [model, dense] if number % 2 else [dense, model]
        seconds = {network: _seconds(network, images) for network in pair}
        if number >= 0:
            ratios.append(seconds[model] / seconds[dense])
    found = torch.tensor(ratios, dtype=torch.float64)
    error = math.sqrt(math.pi / 2) * float(found.std()) / math.sqrt(rounds)
    return Ratio(float(found.quantile(0.5)), error)


def peak_memory(model: nn.Module, images: Tensor) -> int:
    """Most bytes alive at once in a forward pass without gradients.

    Parameters, buffers, the images and every value that the pass makes, each storage counted
    once from the operation that made it until its last reference is gone. Scratch space inside an
    operation and the allocator's rounding are not seen, so that the number repeats.

    Args:
        model: In evaluation mode.
        images: (N, C, H, W) float on the model's device.

    Returns:
        Bytes.
    """
    meter = _Meter()
    meter.add([*model.parameters(), *model.buffers(), images])
    with torch.no_grad(), meter:
        model(images)
    return meter.peak


def _seconds(network: nn.Module, images: Tensor) -> float:
    with torch.no_grad():
        _wait(images)
        started = time.perf_counter()
        network(images)
        _wait(images)
        return time.perf_counter() - started


def _wait(images: Tensor) -> None:
    """Until the device has done what it was asked; the CPU always has."""
    if images.device.type != "cpu":
        torch.accelerator.synchronize(images.device)


class _Meter(TorchDispatchMode):
    """Sums the storages of all tensors that operations return, until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.alive: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.add(tree_leaves(result))
        return result

    def add(self, values: list[Any]) -> None:
        """Counts the storages that are not yet counted."""
        for value in values:
            if isinstance(value, Tensor):
                storage = value.untyped_storage()
                key = storage._cdata
                if key not in self.alive:
                    self.alive[key] = storage.nbytes()
                    weakref.finalize(storage, self.alive.pop, key)
        self.peak = max(self.peak, sum(self.alive.values()))
