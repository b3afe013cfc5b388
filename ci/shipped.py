"""The runs that the repository ships."""

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from bench.ranking import GROUP
from bench.records import Run, from_json
from bench.store import open_store, run_frame, save_run

ROOT = Path(__file__).parents[1]


def shipped_runs() -> list[Run]:
    """The runs of `submissions/*/run.json`."""
    records = sorted(ROOT.glob("submissions/*/run.json"))
    return [from_json(json.loads(path.read_text(encoding="utf-8"))) for path in records]


def comparable_runs(run: Run) -> list[Run]:
    """Shipped runs that may stand beside a run: of its architecture, suite, limit and protocol."""
    return [other for other in shipped_runs() if group(other) == group(run)]


def frame_of(runs: Iterable[Run]) -> pd.DataFrame:
    """What a store of these runs alone gives, as `run_frame` does."""
    with TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/runs.db") as store:
        for run in runs:
            save_run(store, run)
        return run_frame(store)


def group(run: Run) -> dict[str, object]:
    """What has to be the same in runs that stand beside each other."""
    return {"architecture": run.submission.architecture, **{n: getattr(run, n) for n in GROUP}}
