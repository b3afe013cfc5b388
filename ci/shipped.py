"""The runs that the repository ships."""

import json
from pathlib import Path

from bench.ranking import GROUP
from bench.records import Run, from_json

ROOT = Path(__file__).parents[1]


def shipped_runs() -> list[Run]:
    """The runs of `submissions/*/run.json`."""
    records = sorted(ROOT.glob("submissions/*/run.json"))
    return [from_json(json.loads(path.read_text(encoding="utf-8"))) for path in records]


def comparable_runs(run: Run) -> list[Run]:
    """Those that may stand beside a run: of its suite, limit, protocol, images and architecture."""
    return [other for other in shipped_runs() if group(other) == group(run)]


def group(run: Run) -> tuple[object, ...]:
    """What has to be the same in runs that stand beside each other."""
    return (run.submission.architecture, *(getattr(run, name) for name in GROUP))
