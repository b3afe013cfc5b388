"""The runs that the repository ships."""

import json
from dataclasses import replace
from pathlib import Path

from bench.ranking import GROUP
from bench.records import Run, from_json

ROOT = Path(__file__).parents[1]
GENERATED = "-c*"  # end of the name of a set of generated shifts


def shipped_runs() -> list[Run]:
    """The runs of `submissions/*/run.json`."""
    records = sorted(ROOT.glob("submissions/*/run.json"))
    return [from_json(json.loads(path.read_text(encoding="utf-8"))) for path in records]


def comparable_runs(run: Run) -> list[Run]:
    """Shipped runs that may stand beside a run: of its architecture, suite, limit and protocol.

    Generated shifts are not the same bytes on every processor. A run on other ones is there without
    its scores of them; on any other images it is not there.
    """
    known = (_beside(run, other) for other in shipped_runs())
    return [other for other in known if other]


def group(run: Run) -> tuple[object, ...]:
    """What has to be the same in runs that stand beside each other."""
    return (run.submission.architecture, *(getattr(run, name) for name in GROUP))


def _beside(run: Run, other: Run) -> Run | None:
    """The other run with its scores of the images that both have seen; None if it is no match."""
    names = run.data.keys() | other.data.keys()
    unequal = {name for name in names if run.data.get(name) != other.data.get(name)}
    if not all(name.endswith(GENERATED) for name in unequal):
        return None
    same = tuple(score for score in other.scores if score.set not in unequal)
    other = replace(other, data=run.data, scores=same)
    return other if group(other) == group(run) else None
