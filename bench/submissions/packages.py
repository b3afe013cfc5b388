"""Weights of `timm:NAME` and `robustbench:NAME`, where those packages can supply them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from bench.errors import BenchError
from bench.models.timm import timm_weights
from bench.submissions.read import read_weights

ZOO = Path("models/cifar10")  # where robustbench.utils.load_model keeps its downloads


def robustbench_weights(name: str) -> dict[str, Tensor]:
    """A checkpoint that RobustBench has downloaded, read by our own intake.

    Args:
        name: `Linf/NAME`, or NAME for L∞.

    Raises:
        BenchError: E-NO-SUCH-FILE if it is not in `models/cifar10/THREAT/NAME.pt`.
    """
    threat, _, entry = name.rpartition("/")
    path = ZOO / (threat or "Linf") / f"{entry}.pt"
    if not path.is_file():
        raise BenchError(
            "E-NO-SUCH-FILE",
            f"robustbench:{name}: no file {path} here; download it with "
            f"robustbench.utils.load_model({entry!r}, threat_model={threat or 'Linf'!r}), or give "
            f"a weights file with --arch robustbench:{name}",
        )
    return read_weights(path).tensors


WEIGHTS_OF: Mapping[str, Callable[[str], dict[str, Tensor]]] = {
    "timm": timm_weights,
    "robustbench": robustbench_weights,
}
