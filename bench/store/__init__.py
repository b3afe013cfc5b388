"""The result store; the only home of SQL. What is in it is raw: nothing is averaged here.

Names load on first use, so that scoring code can name an `Outcome` without loading SQLAlchemy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bench.store.outcomes import TRUTH, Outcome, outcome_key, true_outcome

if TYPE_CHECKING:
    from bench.store.engine import Store, is_there, open_store, shown_url
    from bench.store.frames import run_frame, score_frame
    from bench.store.runs import (
        Entry,
        check_reason,
        head,
        load_entry,
        load_outcomes,
        load_run,
        save_run,
        standing_ids,
        with_outcomes,
    )
    from bench.store.verification import Chain, verify_chain

__all__ = [
    "TRUTH",
    "Chain",
    "Entry",
    "Outcome",
    "Store",
    "check_reason",
    "head",
    "is_there",
    "load_entry",
    "load_outcomes",
    "load_run",
    "open_store",
    "outcome_key",
    "run_frame",
    "save_run",
    "score_frame",
    "shown_url",
    "standing_ids",
    "true_outcome",
    "verify_chain",
    "with_outcomes",
]

_HOMES = {
    "Chain": "bench.store.verification",
    "Entry": "bench.store.runs",
    "check_reason": "bench.store.runs",
    "head": "bench.store.runs",
    "load_entry": "bench.store.runs",
    "standing_ids": "bench.store.runs",
    "with_outcomes": "bench.store.runs",
    "verify_chain": "bench.store.verification",
    "Store": "bench.store.engine",
    "is_there": "bench.store.engine",
    "open_store": "bench.store.engine",
    "shown_url": "bench.store.engine",
    "load_outcomes": "bench.store.runs",
    "load_run": "bench.store.runs",
    "save_run": "bench.store.runs",
    "run_frame": "bench.store.frames",
    "score_frame": "bench.store.frames",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'bench.store' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
