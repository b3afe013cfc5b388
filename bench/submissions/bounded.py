"""A limit for networks that packages build in memory before their weights can be compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.errors import BenchError

ROOM = 2  # times the numbers of the file; initial values pass through a few temporary tensors
SPARE = 2**20
MAKERS = {"empty", "empty_strided", "zeros", "ones", "full", "arange", "linspace", "rand", "randn"}


@contextmanager
def built_within(name: str, numbers: int) -> Iterator[None]:
    """Refuses to build a network that is much larger than a file.

    Args:
        name: Of the architecture, for the error.
        numbers: In the file.

    Raises:
        BenchError: E-WRONG-WEIGHTS as soon as the network has more than `ROOM` times as many.
    """
    made = 0

    class Counted(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: object, args: Any = (), kwargs: Any = None
        ) -> Any:
            nonlocal made
            result = func(*args, **(kwargs or {}))
            if func.overloadpacket.__name__ in MAKERS and isinstance(result, torch.Tensor):
                made += result.numel()
            if made > ROOM * numbers + SPARE:
                raise BenchError(
                    "E-WRONG-WEIGHTS",
                    f"the file holds {numbers:,} numbers, {name} many more; is it another --arch?",
                )
            return result

    counted: Any = Counted
    with counted():
        yield
