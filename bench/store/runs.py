"""Runs into the ledger and out again, as records.

Readers see the rows that stand: those that no later row supersedes.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bench.errors import BenchError
from bench.records import Run, canonical_json, from_json, to_json
from bench.store.chain import GENESIS, row_hash, rows_digest
from bench.store.engine import Store
from bench.store.headlines import keep
from bench.store.outcomes import Outcome, compress, decompress
from bench.store.standing import STANDING, full_id, place_of
from bench.store.tables import OUTCOME, RUN, SCORE

_BEFORE = RUN.alias("before")
REALS = ("value", "epsilon", "stderr")


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger that stands.

    Args:
        record: The run record, scores included, as `bench.records.from_json` takes it.
        position: Of the row, from 1.
        corrected: Id of the run whose place it takes, or None.
        reason: Why it does.
    """

    record: Mapping[str, Any]
    position: int
    corrected: str | None
    reason: str | None


def save_run(
    store: Store,
    run: Run,
    outcomes: Mapping[str, Outcome] = {},
    *,
    supersedes: str | None = None,
    reason: str | None = None,
) -> bool:
    """Appends a run to the ledger in one transaction.

    A run that is there stays as it is, unless this one is of more trust and takes its place.

    Args:
        store: Open for writing.
        run: The run.
        outcomes: Per-image outcomes by set.
        supersedes: Id, or its first digits, of the run that it corrects.
        reason: What was wrong with that one.

    Returns:
        False if a run of the same id and as much trust was there.

    Raises:
        BenchError: E-NO-SUCH-RUN, or E-BAD-VALUE for a correction without a reason, of less
            trust, or that stands already as another row.
    """
    check_reason(supersedes, reason)
    rows = rows_of(run, outcomes)
    with store.writing("run") as connection:
        return append(connection, run, rows, supersedes=supersedes, reason=reason)


class Rows(NamedTuple):
    """What is written of a run beside its place in the ledger; slow to make for many images."""

    run: Mapping[str, Any]
    scores: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]


def rows_of(run: Run, outcomes: Mapping[str, Outcome]) -> Rows:
    """The rows of a run, made before a transaction begins."""
    record = to_json(run)
    scores = [
        {"position": number} | {name: _real(name, value) for name, value in score.items()}
        for number, score in enumerate(record.pop("scores"))
    ]
    kept = [
        {"key": key, "n": len(outcome.confidence), "content": compress(outcome)}
        for key, outcome in outcomes.items()
    ]
    row = {
        "run_id": run.run_id,
        "suite": run.suite,
        "protocol_sha256": run.protocol.sha256,
        "weights_sha256": run.submission.weights_sha256,
        "trust": run.trust,
        "record": canonical_json(record),
        "scores_sha256": rows_digest(scores),
        "outcomes_sha256": rows_digest(kept),
    }
    return Rows(row, scores, kept)


def append(
    connection: Connection,
    run: Run,
    rows: Rows,
    *,
    supersedes: str | None = None,
    reason: str | None = None,
) -> bool:
    """As `save_run`, as a part of a transaction that writes to `run`."""
    place = place_of(connection, run, supersedes, reason)
    if place is None:
        return False
    row: dict[str, Any] = {**place, **rows.run}
    connection.execute(RUN.insert(), row | {"hash": row_hash(row)})
    for table, parts in ((SCORE, rows.scores), (OUTCOME, rows.outcomes)):
        if parts:
            numbered = [{"run": row["position"], **part} for part in parts]
            connection.execute(table.insert(), numbered)
    keep(connection, row["position"], run.scores)
    return True


def check_reason(supersedes: str | None, reason: str | None) -> None:
    """A correction names a run and a reason, or there is none; else E-BAD-VALUE."""
    if bool(supersedes) != bool(reason):
        raise BenchError(
            "E-BAD-VALUE",
            f"supersedes {supersedes!r} for the reason {reason!r}: expected both or neither",
        )


def _real(name: str, value: Any) -> Any:
    """As it will come out of the database: what is a count in Python may be a float there."""
    return float(value) if name in REALS and value is not None else value


def load_run(store: Store, prefix: str) -> Run:
    """The run whose id begins so.

    Raises:
        BenchError: E-NO-SUCH-RUN if none or more than one does.
    """
    return from_json(load_entry(store, prefix).record)


def load_entry(store: Store, prefix: str) -> Entry:
    """The run whose id begins so, as it is written, with its place; errors as `load_run`."""
    with store.reading() as connection:
        run_id = full_id(connection, prefix)
        query = sa.select(RUN, _BEFORE.c.run_id.label("corrected"))
        query = query.outerjoin(_BEFORE, _BEFORE.c.position == RUN.c.supersedes)
        row = connection.execute(query.where(STANDING, RUN.c.run_id == run_id)).one()
        columns = list(SCORE.c)[2:]
        found = sa.select(*columns).where(SCORE.c.run == row.position).order_by(SCORE.c.position)
        scores = [dict(score) for score in connection.execute(found).mappings()]
    return Entry(
        record={**json.loads(row.record), "scores": scores},
        position=row.position,
        corrected=row.corrected,
        reason=row.reason,
    )


def standing_ids(store: Store) -> list[str]:
    """Ids of the runs that no later row supersedes, in the order of writing."""
    query = sa.select(RUN.c.run_id).where(STANDING).order_by(RUN.c.position)
    with store.reading() as connection:
        return list(connection.scalars(query))


def head(store: Store) -> str:
    """Hash of the last row, which stands for all that were written."""
    query = sa.select(RUN.c.hash).order_by(RUN.c.position.desc()).limit(1)
    with store.reading() as connection:
        return str(connection.scalar(query) or GENESIS)


def with_outcomes(store: Store, ids: Collection[str]) -> set[str]:
    """Those of some runs, by their whole ids, of which per-image outcomes are kept."""
    kept = sa.exists().where(OUTCOME.c.run == RUN.c.position)
    query = sa.select(RUN.c.run_id).where(STANDING, RUN.c.run_id.in_(ids), kept)
    with store.reading() as connection:
        return set(connection.scalars(query))


def load_outcomes(
    store: Store, prefix: str, wanted: Callable[[str], bool] | None = None
) -> dict[str, Outcome]:
    """Per-image outcomes of the run whose id begins so, by set.

    Args:
        store: An open store.
        prefix: Of the run's id.
        wanted: Which keys to load; None for all.

    Raises:
        BenchError: E-NO-SUCH-RUN, or E-CHAIN-BROKEN if they cannot be read.
    """
    with store.reading() as connection:
        run = sa.select(RUN.c.position).where(STANDING, RUN.c.run_id == full_id(connection, prefix))
        of_run = OUTCOME.c.run == run.scalar_subquery()
        if wanted:
            keys = filter(wanted, connection.scalars(sa.select(OUTCOME.c.key).where(of_run)))
            of_run &= OUTCOME.c.key.in_(list(keys))
        rows = connection.execute(sa.select(OUTCOME).where(of_run))
        try:
            return {row.key: decompress(row.content, row.n) for row in rows}
        except ValueError as error:
            raise BenchError("E-CHAIN-BROKEN", f"run {prefix}: {error}") from error
