"""Robustness and anomaly detection of pruned neural networks: a benchmark.

Public names load on first use, so that `import bench` costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.baselines import Cut, Plan, prune, train_dense
    from bench.errors import BenchError
    from bench.evaluation import evaluate
    from bench.protocol import PROTOCOL, PROTOCOLS
    from bench.submissions import load_submission, pack

__all__ = [
    "PROTOCOL",
    "PROTOCOLS",
    "BenchError",
    "Cut",
    "Plan",
    "evaluate",
    "load_submission",
    "pack",
    "prune",
    "train_dense",
]
__version__ = version("sparse-bench")

_HOMES = {
    "Cut": "bench.baselines",
    "Plan": "bench.baselines",
    "prune": "bench.baselines",
    "train_dense": "bench.baselines",
    "evaluate": "bench.evaluation",
    "load_submission": "bench.submissions",
    "pack": "bench.submissions",
    "PROTOCOL": "bench.protocol",
    "PROTOCOLS": "bench.protocol",
    "BenchError": "bench.errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
