"""What a pass costs: multiply-adds, time against another network, memory.

Sparsity, parameters and file size are not counted here: they need no forward pass.
"""

import math
import time
import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.data import Progress, silent

Named = TypeVar("Named", bound=Hashable)
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
    """Time of a forward pass over that of the dense network, as `time_ratios`.

    Args:
        model: In evaluation mode.
        dense: In evaluation mode, on the same device.
        images: (N, C, H, W) float32 on that device.
        rounds: Timings of each, at least 2.
    """
    works = {network: partial(answer, network, images) for network in (dense, model)}
    return time_ratios(works, dense, images.device, rounds)[model]


def time_ratios(
    works: Mapping[Named, Callable[[], object]],
    dense: Named,
    device: torch.device,
    rounds: int,
    progress: Progress = silent,
) -> dict[Named, Ratio]:
    """Times of several works over that of one of them, side by side in one process.

    Every round times all, in alternating order, after a warm-up; a machine that is slow for a
    while slows all. Absolute times are not comparable between machines and are not returned.

    Args:
        works: What is to be done, by any key.
        dense: Key of the one that the others are compared with.
        device: Where it is done.
        rounds: Timings of each, at least 2.
        progress: Called with (what, done, total) after each round.

    Returns:
        Median of the rounds' ratios; its standard error is 1.2533 s/√rounds with the rounds'
        standard deviation s, which holds for normal noise.

    Raises:
        ValueError: If there are fewer than two rounds.
    """
    if rounds < 2:
        raise ValueError(f"rounds: got {rounds}, expected at least 2 for a standard error")
    ratios: dict[Named, list[float]] = {key: [] for key in works}
    for number in range(-_WARM_UP_ROUNDS, rounds):
        order = list(works)[:: -1 if number % 2 else 1]
        seconds = {key: _seconds(works[key], device) for key in order}
        if number >= 0:
            for key in works:
                ratios[key].append(seconds[key] / seconds[dense])
        progress("timing", number + 1 + _WARM_UP_ROUNDS, rounds + _WARM_UP_ROUNDS)
    return {key: _median(found) for key, found in ratios.items()}


def _median(ratios: list[float]) -> Ratio:
    found = torch.tensor(ratios, dtype=torch.float64)
    error = math.sqrt(math.pi / 2) * float(found.std()) / math.sqrt(len(ratios))
    return Ratio(float(found.quantile(0.5)), error)


def peak_memory(model: nn.Module, images: Tensor) -> int:
    """Most bytes alive at once in a forward pass without gradients, as `peak_of`.

    Args:
        model: In evaluation mode.
        images: (N, C, H, W) float on the model's device.
    """
    standing = [*model.parameters(), *model.buffers(), images]
    return peak_of(partial(answer, model, images), standing)


def peak_of(work: Callable[[], object], standing: Iterable[Tensor]) -> int:
    """Most bytes alive at once while something is done.

    What stands before, and every value that an operation makes, each storage counted once from
    the operation that made it until its last reference is gone. Scratch space inside an operation
    and the allocator's rounding are not seen, so that the number repeats.

    Args:
        work: What is done.
        standing: Tensors that are there before, parameters and images.

    Returns:
        Bytes.
    """
    meter = _Meter()
    meter.add(list(standing))
    with meter:
        work()
    return meter.peak


@torch.no_grad()
def answer(network: nn.Module, images: Tensor) -> Tensor:
    """A forward pass without gradients."""
    return network(images)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    """Until the device has done what it was asked; the CPU always has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


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
