"""Tables of the README about flows, ensembles and Bayesian networks, from the stored runs."""

from collections.abc import Iterable

import pandas as pd

from bench.records import Run
from bench.tables import markdown
from ci.shipped import shipped_runs

NONE = "–"


def flows() -> str:
    """Bits per dimension, and how well each outlier set is told by its log-density."""
    runs = sorted(
        _of_kind("flow"),
        key=lambda run: (run.submission.measured_sparsity or 0, run.submission.slug),
    )
    rows = []
    for run in runs:
        areas = _values(run, "auroc")
        row = {"flow": run.submission.pruner, "sparsity": f"{run.submission.measured_sparsity:.3f}"}
        row["bits per dimension"] = f"{_values(run, 'bits_per_dim')[run.suite]:.3f}"
        rows.append(row | {f"AUROC {name}": f"{value:.3f}" for name, value in areas.items()})
    return f"{where(runs)}\n\n{markdown(pd.DataFrame(rows))}"


def where(runs: Iterable[Run]) -> str:
    """What a table of runs of one architecture and recipe is of."""
    run, *others = runs
    who, place = run.submission, run.environment
    images = "all test images" if run.limit is None else f"the first {run.limit:,} images"
    days = max(other.started[:10] for other in (run, *others))
    commits = {(one.environment.git_commit or "unknown")[:12] for one in (run, *others)}
    return (
        f"`{who.architecture}` on `{run.suite}`, {images}, recipe `{who.recipe}`, seed {who.seed}. "
        f"Protocol {run.protocol.version} {run.protocol.preset} `{run.protocol.sha256[:12]}`, "
        f"{days}, torch {place.torch.partition('+')[0]} on {place.cpu}, commits "
        f"{', '.join(sorted(commits))}."
    )


def _of_kind(kind: str) -> list[Run]:
    return [run for run in shipped_runs() if run.submission.kind == kind]


def _values(run: Run, metric: str) -> dict[str, float]:
    """Set -> value of a metric of the task likelihood."""
    return {
        score.set: score.value
        for score in run.scores
        if score.task == "likelihood" and score.metric == metric and score.value is not None
    }
