"""The runs that the project ships, as a store of their own in the cache."""

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from bench.files import write_atomically
from bench.intake.opened import LARGEST_RECORD, unpacked
from bench.places import cache_root
from bench.records import Run, from_json
from bench.store import open_store
from bench.store.runs import append, rows_of

SUBMISSIONS = Path(__file__).parents[1] / "submissions"
RECORD = re.compile(r"run\.json|run-.*\.json\.gz")
MAKING = Lock()


def shipped_records() -> list[Path]:
    """`submissions/*/run.json`, and of a grid `submissions/*/run-SEED.json.gz`."""
    return sorted(path for path in SUBMISSIONS.glob("*/run*") if RECORD.fullmatch(path.name))


def read(record: Path) -> Run:
    """The run of a record."""
    return from_json(json.loads(unpacked(record, LARGEST_RECORD)))


def shipped_store() -> str | None:
    """URL of a store of the shipped runs, made when they are new; None if there are none.

    An installed package ships none.
    """
    records = shipped_records()
    if not records:
        return None
    path = cache_root() / "shipped" / f"{_digest(tuple(map(_state, records)))}.db"
    with MAKING:  # visitors may come together
        if not path.exists():
            _make(path, records)
    return f"sqlite:///{path}"


def _state(record: Path) -> tuple[Path, int, int]:
    """What changes when a file does; a look at it costs less than reading it at every click."""
    found = record.stat()
    return record, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=4)
def _digest(states: tuple[tuple[Path, int, int], ...]) -> str:
    content = b"".join(record.read_bytes() for record, *_ in states)
    return hashlib.sha256(content).hexdigest()[:16]


def _make(path: Path, records: list[Path]) -> None:
    with TemporaryDirectory() as place:
        made = Path(place) / path.name
        with open_store(f"sqlite:///{made}") as store, store.writing("run") as connection:
            for run in map(read, records):
                append(connection, run, rows_of(run, {}))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, made.read_bytes())
