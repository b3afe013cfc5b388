"""The runs that the repository ships."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import pandas as pd

from bench.ranking import GROUP, PRUNED
from bench.records import Run
from bench.store import open_store, run_frame, save_run
from leaderboard.shipped import read, shipped_records

ROOT = Path(__file__).parents[1]
_read = cache(read)


def shipped_runs() -> list[Run]:
    """The runs below `submissions`."""
    return [_read(record) for record in shipped_records()]


def grid_runs() -> list[Run]:
    """Those of the grid, `submissions/grid.toml`."""
    return [_read(path) for path in shipped_records() if path.match("grid-*/run-*.json.gz")]


def comparable_runs(run: Run) -> list[Run]:
    """Shipped runs that best stand beside a run.

    They are of its architecture, suite, limit and protocol; where there are such, of its recipe;
    and of each pruner those of the sparsity nearest to its own.
    """
    same = [other for other in shipped_runs() if group(other) == group(run)]
    of_recipe = [other for other in same if other.submission.recipe == run.submission.recipe]
    return _nearest(of_recipe or same, _sparsity(run))


def _nearest(runs: Iterable[Run], sparsity: float) -> list[Run]:
    """Of each way of pruning all seeds at the declared sparsity that is, as measured, nearest."""
    families: dict[object, dict[float, list[Run]]] = {}
    for run in runs:
        who = run.submission
        family = families.setdefault(tuple(getattr(who, name) for name in PRUNED), {})
        family.setdefault(who.declared_sparsity or 0.0, []).append(run)
    return [
        run
        for family in families.values()
        for run in min(
            family.values(), key=lambda seeds: abs(fmean(map(_sparsity, seeds)) - sparsity)
        )
    ]


def _sparsity(run: Run) -> float:
    return run.submission.measured_sparsity or 0.0


def where(runs: Sequence[Run]) -> str:
    """What runs that stand in one table are of, and where they were made."""
    run, *_ = runs
    place, protocol = run.environment, run.protocol
    images = "all images" if run.limit is None else f"the first {run.limit:,} images of each set"
    recipes = ", ".join(sorted({f"`{one.submission.recipe}`" for one in runs}))
    seeds = ", ".join(sorted({str(one.submission.seed) for one in runs}))
    commits = ", ".join(sorted({(one.environment.git_commit or "unknown")[:12] for one in runs}))
    processors = " and ".join(sorted({one.environment.cpu for one in runs}))
    return (
        f"`{run.submission.architecture}` on `{run.suite}`, {images}, recipe {recipes}, seed "
        f"{seeds}. Protocol {protocol.version} {protocol.preset} `{protocol.sha256[:12]}`, "
        f"{max(one.started[:10] for one in runs)}, torch {place.torch.partition('+')[0]} on "
        f"{processors}, commits {commits}."
    )


def frame_of(runs: Iterable[Run]) -> pd.DataFrame:
    """What a store of these runs alone gives, as `run_frame` does."""
    with TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/runs.db") as store:
        for run in runs:
            save_run(store, run)
        return run_frame(store)


def group(run: Run) -> dict[str, object]:
    """What has to be the same in runs that stand beside each other."""
    return {"architecture": run.submission.architecture, **{n: getattr(run, n) for n in GROUP}}
