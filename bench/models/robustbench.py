"""Networks of RobustBench's model zoo; the only import of robustbench.

RobustBench imports a module named `autoattack`, while its own dependency installs
`pyautoattack`; the name is aliased before the import. Its loaders unpickle what they download,
so only its architectures are used: the weights come from a file that the caller names.
"""

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor, nn

from bench.errors import BenchError

DATASET = "cifar10"
THREATS = ("Linf", "L2", "corruptions")


def robustbench_network(name: str, classes: int, channels: int) -> nn.Module:
    """The architecture of an entry of the CIFAR-10 zoo, weights as constructed.

    Args:
        name: `Linf/NAME`, `L2/NAME`, `corruptions/NAME`, or NAME for L∞.
        classes: Must be 10.
        channels: Must be 3.

    Raises:
        BenchError: E-MISSING-PACKAGE without the extra, E-UNKNOWN-ARCHITECTURE without an entry.
    """
    threat, _, entry = name.rpartition("/")
    zoo = _zoo().get(threat or "Linf", {})
    if entry not in zoo or (classes, channels) != (10, 3):
        raise BenchError(
            "E-UNKNOWN-ARCHITECTURE",
            f"robustbench:{name}: no such CIFAR-10 entry for {channels} channels and {classes} "
            f"classes; expected one of {THREATS} and a name, e.g. robustbench:Linf/Standard",
        )
    network = zoo[entry]["model"]()
    if entry.endswith("_CARD_Deck"):  # several networks, which answer with their mean probability
        network.register_forward_hook(_logarithm)
    return network


def _logarithm(_: nn.Module, inputs: object, probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def _zoo() -> dict[str, dict[str, dict[str, Callable[[], nn.Module]]]]:
    """{threat model: {entry: its description}} of the CIFAR-10 zoo."""
    if find_spec("robustbench") is None:
        raise BenchError(
            "E-MISSING-PACKAGE",
            'robustbench: not installed; pip install "sparse-bench[robustbench]"',
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that robustbench has not kept up with
        alias_autoattack()
        tables = import_module("robustbench.model_zoo.models").model_dicts
    (cifar,) = (table for dataset, table in tables.items() if dataset.value == DATASET)
    return {threat.value: dict(entries) for threat, entries in cifar.items()}


def alias_autoattack() -> None:
    """Lets `import autoattack` find `pyautoattack` where no package of that name is installed."""
    if "autoattack" in sys.modules or find_spec("autoattack") is not None:
        return
    package: ModuleType = import_module("pyautoattack")
    sys.modules["autoattack"] = package
    sys.modules["autoattack.state"] = import_module("pyautoattack.state")
