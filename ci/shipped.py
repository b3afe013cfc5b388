"""The runs that the repository ships."""

import json
from pathlib import Path

from bench.records import Run, from_json

ROOT = Path(__file__).parents[1]


def shipped_runs() -> list[Run]:
    """The runs of `submissions/*/run.json`."""
    records = sorted(ROOT.glob("submissions/*/run.json"))
    return [from_json(json.loads(path.read_text(encoding="utf-8"))) for path in records]
