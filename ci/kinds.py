"""Tables of the README about ensembles, Bayesian networks and flows, from the stored runs.

`python -m ci.kinds` draws the flows' densities anew.
"""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.headline import HEADLINE, headline
from bench.likelihood_chart import likelihood_png
from bench.records import Run
from bench.tables import markdown
from ci.shipped import ROOT, shipped_runs, where

PICTURE = ROOT / "leaderboard" / "likelihood.png"
NUMBERS = ("accuracy", "fgsm_linf", "shift", "ood_msp", "brier")
NONE = "–"
MULTIPLES = {
    "training": "training step ×",
    "inference": "inference ×",
    "training_memory": "training memory ×",
    "inference_memory": "inference memory ×",
}


def ensembles() -> str:
    """Ensembles beside one dense network of their architecture."""
    return _beside_one("ensemble")


def bayesian() -> str:
    """Bayesian networks beside one of the same architecture that is not."""
    return _beside_one("bayesian")


def flows() -> str:
    """Bits per dimension, and how well each outlier set is told by its log-density."""
    runs = _flows()
    rows = []
    for run in runs:
        areas = _values(run, "auroc")
        row = {"flow": run.submission.pruner, "sparsity": f"{run.submission.measured_sparsity:.3f}"}
        row["bits per dimension"] = f"{_values(run, 'bits_per_dim')[run.suite]:.3f}"
        rows.append(row | {f"AUROC {name}": f"{value:.3f}" for name, value in areas.items()})
    return f"{where(runs)}\n\n{markdown(pd.DataFrame(rows))}"


def _beside_one(kind: str) -> str:
    several = _of_kind(kind)
    one = next(
        run
        for run in _of_kind("classifier")
        if run.submission.pruner == "dense" and _world(run) == _world(several[0])
    )
    costs = _costs() | {one.submission.weights_sha256: dict.fromkeys(MULTIPLES, 1.0)}
    rows = [
        _row(run, costs.get(run.submission.weights_sha256, {}))
        for run in (one, *sorted(several, key=lambda run: run.submission.measured_sparsity or 0))
    ]
    return f"{where([one, *several])}\n\n{markdown(pd.DataFrame(rows))}"


def _row(run: Run, cost: Mapping[str, Any]) -> dict[str, str]:
    who, numbers = run.submission, headline(run.scores)
    row = {"submission": who.slug, "kind": who.kind, "ranked": who.scope or NONE}
    row["sparsity"] = f"{who.measured_sparsity:.3f}"
    row |= {HEADLINE[name].title: f"{numbers[name]:.3f}" for name in NUMBERS}
    return row | {title: _multiple(cost.get(name)) for name, title in MULTIPLES.items()}


def _multiple(found: Mapping[str, float] | float | None) -> str:
    if found is None:
        return NONE
    return f"{found['value'] if isinstance(found, Mapping) else found:.2f}"


def _costs() -> dict[str, Mapping[str, Any]]:
    """Hash of the weights -> what `bench efficiency` has measured."""
    files = sorted(ROOT.glob("submissions/*/efficiency.json"))
    rows = [row for path in files for row in json.loads(path.read_text())["models"]]
    return {row["weights_sha256"]: row for row in rows}


def _world(run: Run) -> tuple[object, ...]:
    return run.suite, run.submission.architecture, run.limit, run.protocol


def _flows() -> list[Run]:
    return sorted(_of_kind("flow"), key=lambda run: run.submission.measured_sparsity or 0)


def _of_kind(kind: str) -> list[Run]:
    return [run for run in shipped_runs() if run.submission.kind == kind]


def _values(run: Run, metric: str) -> dict[str, float]:
    """Set -> value of a metric of the task likelihood."""
    return {
        score.set: score.value
        for score in run.scores
        if score.task == "likelihood" and score.metric == metric and score.value is not None
    }


if __name__ == "__main__":
    PICTURE.write_bytes(likelihood_png(_flows()))
