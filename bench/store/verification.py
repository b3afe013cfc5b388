"""Reads the whole ledger again and says where it is not what was written. Nothing is changed."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError

from bench.records import TRUST, Finding, Score
from bench.store.append_only import missing_triggers
from bench.store.chain import GENESIS, row_hash, rows_digest
from bench.store.engine import Store
from bench.store.headlines import follow
from bench.store.tables import OUTCOME, RUN, SCORE

# column of a run -> where the same stands in its record; rows older than the column lack some
TWICE: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "run_id": lambda record: record["run_id"],
    "suite": lambda record: record["suite"],
    "protocol_sha256": lambda record: record["protocol"]["sha256"],
    "weights_sha256": lambda record: record["submission"]["weights_sha256"],
    "trust": lambda record: record.get("trust", "self-reported"),
}


@dataclass(frozen=True, slots=True)
class Chain:
    """What a look at the whole ledger finds.

    Args:
        runs: Rows of the ledger, superseded ones included.
        head: Hash of the last row: it stands for all of them.
        findings: Every place where the ledger is not what was written; empty if it is whole.
    """

    runs: int
    head: str
    findings: tuple[Finding, ...]


def verify_chain(store: Store, *, noted: str | None = None) -> Chain:
    """Checks every hash, every digest and what is kept twice, from the first row to the last.

    A chain cannot show by itself that its last rows were cut off or that everything was written
    anew: SQLite remembers how many rows there were, and a head that was noted elsewhere must
    still be in the chain.

    Args:
        store: An open store.
        noted: Head of an earlier look.

    Returns:
        How many rows, the head, and the findings, each located by table and position.
    """
    try:
        with store.engine.begin() as connection:
            if connection.dialect.name == "sqlite":  # damaged text is read, and then found
                driver: Any = connection.connection.driver_connection
                driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            return _look(connection, noted)
    except DatabaseError as error:
        return Chain(0, GENESIS, (Finding("database", f"cannot be read: {error.orig}"),))


def _look(connection: Connection, noted: str | None) -> Chain:
    findings = [Finding("schema", f"no trigger {n}") for n in missing_triggers(connection)]
    findings += _damage(connection)
    hashes = [GENESIS]
    position = 0
    found = connection.execute(sa.select(RUN).order_by(RUN.c.position)).mappings()
    rows = [dict(row) for row in found]
    for row in rows:
        if row["position"] != position + 1:
            findings.append(_gap(position + 1, row["position"] - 1))
        elif row["previous"] != hashes[-1] and row_hash(row) == row["hash"]:
            findings.append(Finding(f"run {position}", f"run {position + 1} follows another row"))
        findings += _row_findings(connection, row)
        position = row["position"]
        hashes.append(row["hash"])
    findings += _cut_off(connection, position)
    findings += _strays(connection)
    findings += _superseding(rows)
    if noted is not None and noted not in hashes:
        what = f"no row has the noted head {noted}: rows were cut off or written anew since"
        findings.append(Finding(f"run {position}", what))
    return Chain(len(hashes) - 1, hashes[-1], tuple(findings))


def _damage(connection: Connection) -> Iterator[Finding]:
    """What SQLite finds in its own pages, such as an index that hides or revives a row."""
    if connection.dialect.name == "sqlite":
        for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars():
            if line != "ok":
                yield Finding("database", line)


def _superseding(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    """Corrections of less trust than what they correct, and runs that stand twice."""
    by_position = {row["position"]: row for row in rows}
    standing = Counter(row["run_id"] for row in rows)
    for row in rows:
        old = by_position.get(row["supersedes"])
        if old is None:
            continue
        standing[old["run_id"]] -= 1
        trusts = [row["trust"], old["trust"]]
        if set(trusts) <= set(TRUST) and TRUST.index(trusts[0]) < TRUST.index(trusts[1]):
            what = f"is {trusts[0]} and supersedes run {old['position']}, which is {trusts[1]}"
            yield Finding(f"run {row['position']}", what)
    for run_id, times in standing.items():
        if times > 1:
            yield Finding(f"run {run_id[:8]}", f"stands {times} times")


def _gap(first: int, last: int) -> Finding:
    gone = "is missing" if first >= last else f"is missing, and all up to run {last}"
    return Finding(f"run {first}", gone)


def _row_findings(connection: Connection, row: Mapping[str, Any]) -> Iterator[Finding]:
    here = f"run {row['position']}"
    disagreeing = list(_disagreeing(row))
    if row_hash(row) != row["hash"]:
        hint = f"; {', '.join(disagreeing)}" if disagreeing else ""
        yield Finding(here, f"is not as it was written: it has another hash{hint}")
    elif disagreeing:
        yield Finding(here, ", ".join(disagreeing))
    for table in (SCORE, OUTCOME):
        query = sa.select(*list(table.c)[1:]).where(table.c.run == row["position"])
        found = [dict(part) for part in connection.execute(query).mappings()]
        if rows_digest(found) != row[f"{table.name}s_sha256"]:
            yield Finding(f"{table.name} of {here}", f"its {len(found)} rows are not those written")
        elif table is SCORE and not follow(connection, row["position"], map(_score, found)):
            yield Finding(f"headline of {here}", "its numbers do not follow from its scores")


def _score(row: Mapping[str, Any]) -> Score:
    return Score(**{name: value for name, value in row.items() if name != "position"})


def _disagreeing(row: Mapping[str, Any]) -> Iterator[str]:
    """Columns that say something else than the record."""
    try:
        record = json.loads(row["record"])
        for column, find in TWICE.items():
            if row[column] != find(record):
                yield f"{column} is {row[column]!r}, the record says {find(record)!r}"
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield f"record cannot be read ({error!r})"


def _cut_off(connection: Connection, last: int) -> list[Finding]:
    """Rows after the last that SQLite remembers to have written."""
    if connection.dialect.name != "sqlite":
        return []
    query = "SELECT seq FROM sqlite_sequence WHERE name = 'run'"
    written = connection.exec_driver_sql(query).scalar() or 0
    if written < last:
        return [Finding("schema", f"SQLite counted {written} runs, there are {last}")]
    return [_gap(last + 1, written)] if written > last else []


def _strays(connection: Connection) -> Iterator[Finding]:
    """Scores and outcomes of runs that are not there."""
    for table in (SCORE, OUTCOME):
        stray = table.c.run.not_in(sa.select(RUN.c.position))
        query = sa.select(table.c.run).distinct().where(stray).order_by(table.c.run)
        for position in connection.scalars(query):
            yield Finding(f"{table.name} of run {position}", "is there, but no such run")
