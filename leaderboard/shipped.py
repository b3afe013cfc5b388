"""The runs that the project ships, as a store of their own in the cache."""

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from bench.files import write_atomically
from bench.places import cache_root
from bench.records import from_json
from bench.store import open_store, save_run

SUBMISSIONS = Path(__file__).parents[1] / "submissions"
MAKING = Lock()


def shipped_store() -> str | None:
    """URL of a store of `submissions/*/run.json`, made when they are new; None if there are none.

    An installed package ships none.
    """
    records = [path.read_bytes() for path in sorted(SUBMISSIONS.glob("*/run.json"))]
    if not records:
        return None
    digest = hashlib.sha256(b"".join(records)).hexdigest()[:16]
    path = cache_root() / "shipped" / f"{digest}.db"
    with MAKING:  # visitors may come together
        if not path.exists():
            _make(path, records)
    return f"sqlite:///{path}"


def _make(path: Path, records: list[bytes]) -> None:
    with TemporaryDirectory() as place:
        made = Path(place) / path.name
        with open_store(f"sqlite:///{made}") as store:
            for record in records:
                save_run(store, from_json(json.loads(record)))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, made.read_bytes())
