"""The runs that the repository ships."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from bench.ranking import GROUP
from bench.records import Run
from bench.store import open_store, run_frame, save_run
from leaderboard.shipped import read, shipped_records

ROOT = Path(__file__).parents[1]


def shipped_runs() -> list[Run]:
    """The runs below `submissions`."""
    return [read(record) for record in shipped_records()]


def comparable_runs(run: Run) -> list[Run]:
    """Shipped runs that may stand beside a run: of its architecture, suite, limit and protocol."""
    return [other for other in shipped_runs() if group(other) == group(run)]


def where(runs: Sequence[Run]) -> str:
    """What runs that stand in one table are of, and where they were made."""
    run, *_ = runs
    place, protocol = run.environment, run.protocol
    images = "all images" if run.limit is None else f"the first {run.limit:,} images of each set"
    recipes = ", ".join(sorted({f"`{one.submission.recipe}`" for one in runs}))
    seeds = ", ".join(sorted({str(one.submission.seed) for one in runs}))
    commits = ", ".join(sorted({(one.environment.git_commit or "unknown")[:12] for one in runs}))
    return (
        f"`{run.submission.architecture}` on `{run.suite}`, {images}, recipe {recipes}, seed "
        f"{seeds}. Protocol {protocol.version} {protocol.preset} `{protocol.sha256[:12]}`, "
        f"{max(one.started[:10] for one in runs)}, torch {place.torch.partition('+')[0]} on "
        f"{place.cpu}, commits {commits}."
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
