"""Small grids on the digits, and a store's content without what no two sweeps share: times."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.protocol import PROTOCOL
from bench.recipes import RECIPES
from bench.records import Run
from bench.store import load_outcomes, load_run, open_store, standing_ids, verify_chain
from bench.sweep.grid import Grid
from bench.sweep.units import Unit, units_of
from bench.sweep.work import Workplace

SHORT = replace(RECIPES["digits-20"], epochs=2, early=1)
FEW = replace(PROTOCOL, tasks=("clean", "adversarial"))
QUICK = "glow-4-of-1000"  # of the recipes that every process knows the shortest for the digits
TIMED = ("latency_ratio",)  # metrics that are of the clock


def small(**changes: Any) -> list[Unit]:
    """A dense LeNet5 and what two pruners make of it, scored on a few images."""
    grid = {"pruners": ["snip", "magnitude"], "sparsities": [0.9], "limit": 10, **changes}
    return units_of(Grid.model_validate(grid), device="cpu")


def workplace(units: list[Unit], url: str, folder: Path, lease: float = 20.0) -> Workplace:
    return Workplace(units, url, folder / "out", lease)


def content(url: str) -> dict[str, Any]:
    """Every run that stands, and its outcomes; the chain is whole and no run is there twice."""
    with open_store(url) as store:
        ids = standing_ids(store)
        chain = verify_chain(store)
        assert (chain.runs, chain.findings) == (len(set(ids)), ())
        return {
            run_id: (timeless(load_run(store, run_id)), answers(load_outcomes(store, run_id)))
            for run_id in ids
        }


def timeless(run: Run) -> list[Any]:
    scores = [score for score in run.scores if score.metric not in TIMED]
    return [run.submission, run.suite, run.limit, run.protocol, run.data, run.flags, scores]


def answers(outcomes: Any) -> dict[str, Any]:
    return {key: (one.predicted.tolist(), one.confidence.tolist()) for key, one in outcomes.items()}
