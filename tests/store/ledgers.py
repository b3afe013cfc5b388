"""A filled ledger for tests, and the edits of somebody who owns the file."""

import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bench.records import Run, to_json
from bench.store import Outcome, open_store, save_run
from bench.store.engine import MIGRATIONS
from bench.store.outcomes import compress
from tests.factories import some_run, some_scores

RUNS = 40
Edit = Callable[[sqlite3.Connection, random.Random], set[str]]  # -> where it has to be found


def small_run(seed: int) -> Run:
    """A run of 20 scores."""
    return some_run(seed=seed, accuracy=0.5 + seed / 1000, scores=some_scores(0.9)[:20])


def outcomes(seed: int) -> dict[str, Outcome]:
    """Of two sets with thirty images."""
    generator = np.random.default_rng(seed)
    return {
        key: Outcome(generator.integers(0, 10, 30), generator.random(30, dtype=np.float32))
        for key in ("digits", "fog/3")
    }


def fill(path: Path) -> str:
    """Forty rows, of which one is superseded by a re-run of more trust and one by a correction."""
    url = f"sqlite:///{path}"
    with open_store(url) as store:
        for seed in range(1, RUNS - 1):
            assert save_run(store, small_run(seed), outcomes(seed))
        assert save_run(store, replace(small_run(7), trust="official"), outcomes(7))
        wrong = small_run(9).run_id
        assert save_run(store, small_run(99), {}, supersedes=wrong, reason="the wrong seed")
    return url


def old_id(run: Run) -> str:
    """Another than it would have today, as ids of the first schema were."""
    return run.run_id[::-1]


def make_old(url: str, schema: str) -> None:
    """An empty store of an older schema."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, schema)
    engine.dispose()


def fill_old(
    url: str, runs: Iterable[Run], answers: Callable[[int], Mapping[str, Outcome]] = outcomes
) -> None:
    """A store as the first schema was written: records without trust, no positions."""
    make_old(url, "0001")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        run_table, score, outcome = (tables.tables[n] for n in ("run", "score", "outcome"))
        for number, run in enumerate(runs):
            record: dict[str, Any] = to_json(run)
            scores = record.pop("scores")
            del record["trust"], record["sandbox"]
            record["run_id"] = old_id(run)
            row = {
                "run_id": old_id(run),
                "suite": run.suite,
                "protocol_sha256": run.protocol.sha256,
                "weights_sha256": run.submission.weights_sha256,
                "record": record,
            }
            connection.execute(run_table.insert(), row)
            numbered = [{"run_id": old_id(run), "position": i, **s} for i, s in enumerate(scores)]
            connection.execute(score.insert(), numbered)
            kept = [
                {
                    "run_id": old_id(run),
                    "key": key,
                    "n": len(one.confidence),
                    "content": compress(one),
                }
                for key, one in answers(number).items()
            ]
            connection.execute(outcome.insert(), kept)
    engine.dispose()


@contextmanager
def edited(path: Path, target: Path) -> Iterator[sqlite3.Connection]:
    """A copy open for edits: no triggers, no constraints; the triggers are back afterwards."""
    shutil.copy(path, target)
    with closing(sqlite3.connect(target)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        triggers = connection.execute(query).fetchall()
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("PRAGMA synchronous=OFF")
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()


def flip_a_value(connection: sqlite3.Connection, chance: random.Random) -> set[str]:
    """One bit of one value, or something in place of nothing."""
    table = chance.choice(["run", "score", "outcome"])
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    rows = connection.execute(f"SELECT rowid, * FROM {table}").fetchall()
    row, column = chance.choice(rows), chance.choice(names)
    old = row[names.index(column) + 1]
    new = flipped(old, chance)
    held = "CAST(? AS TEXT)" if isinstance(old, str) else "?"
    connection.execute(f'UPDATE {table} SET "{column}" = {held} WHERE rowid = ?', (new, row[0]))
    position = row[1]
    return {f"run {position}" if table == "run" else f"{table} of run {position}"}


def flipped(old: object, chance: random.Random) -> object:
    """The value with one bit changed, never the same and never NaN or infinite."""
    if old is None:
        return chance.choice([0, 0.5, 17])
    if isinstance(old, int):
        return old ^ (1 << chance.randrange(8, 30))
    if isinstance(old, float):
        (bits,) = struct.unpack("<Q", struct.pack("<d", old))
        (new,) = struct.unpack("<d", struct.pack("<Q", bits ^ (1 << chance.randrange(52))))
        return new
    raw = bytearray(old.encode() if isinstance(old, str) else bytes(old))  # type: ignore[call-overload]
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return bytes(raw)


def delete_a_row(connection: sqlite3.Connection, chance: random.Random) -> set[str]:
    """A run without its scores, a score or an outcome."""
    table = chance.choice(["run", "score", "outcome"])
    rows = connection.execute(f"SELECT rowid, * FROM {table}").fetchall()
    row = chance.choice(rows)
    connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row[0],))
    return {f"run {row[1]}" if table == "run" else f"{table} of run {row[1]}"}


def swap_two_runs(connection: sqlite3.Connection, chance: random.Random) -> set[str]:
    """Two runs change places, each with its scores and outcomes."""
    first, second = chance.sample(range(1, RUNS + 1), 2)
    for old, new in ((first, 1000), (second, first), (1000, second)):
        connection.execute("UPDATE run SET position = ? WHERE position = ?", (new, old))
        for table in ("score", "outcome"):
            connection.execute(f"UPDATE {table} SET run = ? WHERE run = ?", (new, old))
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'run'", (RUNS,))
    return {f"run {first}", f"run {second}"}


def swap_two_scores(connection: sqlite3.Connection, chance: random.Random) -> set[str]:
    """Accuracy and Brier score of a run change places."""
    run = chance.randrange(1, RUNS + 1)
    for old, new in ((0, 1000), (1, 0), (1000, 1)):
        connection.execute(
            "UPDATE score SET position = ? WHERE run = ? AND position = ?", (new, run, old)
        )
    return {f"score of run {run}"}


def cut_off_the_end(connection: sqlite3.Connection, chance: random.Random) -> set[str]:
    """The last rows with all that belongs to them."""
    last = RUNS - chance.randrange(1, RUNS)
    for table, column in (("run", "position"), ("score", "run"), ("outcome", "run")):
        connection.execute(f"DELETE FROM {table} WHERE {column} > ?", (last,))
    return {f"run {last + 1}"}


def insert_a_row(connection: sqlite3.Connection, chance: random.Random) -> set[str]:
    """A copy of a row under a number of its own: a run at the end, a score, an outcome."""
    table = chance.choice(["run", "score", "outcome"])
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    row = list(chance.choice(connection.execute(f"SELECT * FROM {table}").fetchall()))
    if table == "run":
        row[names.index("position")] = RUNS + 1
        row[names.index("supersedes")] = None
    elif table == "score":
        row[names.index("position")] = 500
    else:
        row[names.index("key")] = "extra"
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)
    return {f"run {RUNS + 1}" if table == "run" else f"{table} of run {row[0]}"}


EDITS: tuple[Edit, ...] = (
    flip_a_value,
    flip_a_value,
    flip_a_value,
    flip_a_value,
    delete_a_row,
    swap_two_runs,
    swap_two_scores,
    cut_off_the_end,
    insert_a_row,
    insert_a_row,
)
