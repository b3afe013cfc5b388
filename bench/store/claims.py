"""Who works at which unit of a sweep: claims with leases, and what came of them.

A worker claims a unit, renews the claim while it works, and ends it together with the run in one
transaction. Whoever dies loses the claim when its lease ends, and the next takes the unit up.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bench.errors import one_line
from bench.records import Run
from bench.store.engine import Store
from bench.store.outcomes import Outcome
from bench.store.runs import Rows, append, rows_of
from bench.store.standing import standing_trust
from bench.store.tables import UNIT

State = Literal["claimed", "done", "failed"]
LEASE = 20.0  # seconds that a claim holds without being renewed
ANEW = "scored anew by a sweep"
DEATHS = 3  # workers that may die at a unit, without any progress, before it is itself to blame


class Wanted(NamedTuple):
    """A unit as the claims see it.

    Args:
        key: SHA-256 of all that its result depends on.
        label: What people call it.
        after: Key of the unit that has to be done before, or None.
    """

    key: str
    label: str
    after: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """How far a unit is that somebody has begun.

    Args:
        state: `claimed`, `done` or `failed`.
        owner: Who claimed it last.
        lapsed: The claim was not renewed in time: its owner is gone.
        note: What is being done, or why it failed.
        seconds: That it took; of a claimed one, since when.
        run_id: Of what came of it, once done.
    """

    state: State
    owner: str
    lapsed: bool
    note: str
    seconds: float
    run_id: str | None


def claim(
    store: Store, wanted: Sequence[Wanted], owner: str, *, lease: float = LEASE
) -> str | None:
    """Takes the first unit that is ready and that nobody works at.

    Args:
        store: Open for writing.
        wanted: The units, in the order in which they are to be done.
        owner: Who asks; a name that no other has.
        lease: Seconds until the claim has to be renewed.

    Returns:
        Its key, or None if there is none now.
    """
    with store.writing("unit") as connection:
        now, states = _states(connection)
        for unit in wanted:
            before = states.get(unit.key)
            if unit.after and _state(states.get(unit.after)) != "done":
                continue
            if before is None:
                row = {"key": unit.key, "label": unit.label, "deaths": 0}
                connection.execute(UNIT.insert(), row | _claimed(owner, now, lease))
                return unit.key
            if before.state == "claimed" and before.lease <= now:
                _change(connection, unit.key, _claimed(owner, now, lease))
                return unit.key
    return None


def unfinished(store: Store, wanted: Sequence[Wanted]) -> bool:
    """Whether a unit is still to be done, or is being done by anybody."""
    with store.reading() as connection:
        _, states = _states(connection)
    return any(
        _state(states.get(unit.key)) in (None, "claimed")
        and not (unit.after and _state(states.get(unit.after)) == "failed")
        for unit in wanted
    )


def renew(
    store: Store, key: str, owner: str, note: str, *, lease: float = LEASE, advanced: bool = False
) -> bool:
    """Says that the owner is alive and what it does; whether the claim is still its own.

    Args:
        store: Open for writing.
        key: Of the unit.
        owner: As for `claim`.
        note: What is being done.
        lease: As for `claim`.
        advanced: Work was kept from which the next may go on: deaths so far are forgiven.
    """
    with store.writing("unit") as connection:
        row: dict[str, Any] = {"lease": _now(connection) + lease, "note": one_line(note)}
        row |= {"deaths": 0} if advanced else {}
        return _change(connection, key, row, owner)


def finish(store: Store, key: str, owner: str, run: Run, outcomes: Mapping[str, Outcome]) -> bool:
    """Appends the run and ends the claim in one transaction; False, and nothing, if it lapsed.

    A run of the same id and trust, scored by another program or by hand, is superseded.
    """
    rows = rows_of(run, outcomes)
    with store.writing("run", "unit") as connection:
        row = {"state": "done", "note": "", "run_id": run.run_id}
        mine = _change(connection, key, row | _taken(connection), owner)
        if mine:
            _put_in(connection, run, rows)
        return mine


def fail(store: Store, key: str, owner: str, why: str) -> None:
    """Ends the claim with the reason why there is no result."""
    with store.writing("unit") as connection:
        row = {"state": "failed", "note": one_line(why)}
        _change(connection, key, row | _taken(connection), owner)


def give_back(store: Store, gone: Callable[[str], bool], *, blame: bool) -> bool:
    """Ends the leases of owners that are gone; whether there was one.

    Args:
        store: Open for writing.
        gone: Whether an owner is.
        blame: They died at their work, so that a unit at which several did has failed.
    """
    with store.writing("unit") as connection:
        left = [
            (key, row.deaths + blame)
            for key, row in _states(connection)[1].items()
            if row.state == "claimed" and row.lease > 0 and gone(row.owner)
        ]
        for key, deaths in left:
            note = f"its worker died {deaths} times, as one that runs out of memory does"
            end = {"state": "failed", "note": note} if deaths >= DEATHS else {}
            _change(connection, key, {"lease": 0.0, "deaths": deaths, **end})
    return bool(left)


def retry(store: Store, keys: Collection[str]) -> None:
    """Forgets that the units among these failed."""
    with store.writing("unit") as connection:
        _, states = _states(connection)
        failed = [key for key, row in states.items() if row.state == "failed" and key in set(keys)]
        for key in failed:
            connection.execute(UNIT.delete().where(UNIT.c.key == key))


def status_of(store: Store, keys: Collection[str] | None = None) -> dict[str, Status]:
    """Key -> how far it is, of the units among these, or of all, that somebody has begun."""
    with store.reading() as connection:
        now, states = _states(connection)
    wanted = states.keys() if keys is None else set(keys)
    return {
        key: Status(
            state=row.state,
            owner=row.owner,
            lapsed=row.state == "claimed" and row.lease <= now,
            note=row.note,
            seconds=now - row.seconds if row.state == "claimed" else row.seconds,
            run_id=row.run_id,
        )
        for key, row in states.items()
        if key in wanted
    }


def _put_in(connection: Connection, run: Run, rows: Rows) -> None:
    new = append(connection, run, rows)
    if not new and standing_trust(connection, run.run_id) == run.trust:
        append(connection, run, rows, supersedes=run.run_id, reason=ANEW)


def _states(connection: Connection) -> tuple[float, dict[str, Any]]:
    """Now, and every unit that was ever begun."""
    rows = connection.execute(sa.select(UNIT))
    return _now(connection), {row.key: row for row in rows}


def _state(row: Any) -> str | None:
    return row.state if row else None


def _claimed(owner: str, now: float, lease: float) -> dict[str, Any]:
    """While a unit is claimed, `seconds` is the time at which it was."""
    row = {"state": "claimed", "note": "begins", "seconds": now, "run_id": None}
    return row | {"owner": owner, "lease": now + lease}


def _taken(connection: Connection) -> dict[str, Any]:
    """From the time at which a unit was claimed to the time that it took."""
    return {"seconds": _now(connection) - UNIT.c.seconds}


def _change(
    connection: Connection, key: str, row: Mapping[str, Any], owner: str | None = None
) -> bool:
    """Changes a unit, if an owner is named only while the claim is theirs; whether it did."""
    its = UNIT.c.key == key
    if owner is not None:
        its = sa.and_(its, UNIT.c.state == "claimed", UNIT.c.owner == owner)
    return connection.execute(UNIT.update().where(its).values(**row)).rowcount == 1


def _now(connection: Connection) -> float:
    """Unix time by the clock that all who share the database see."""
    if connection.dialect.name == "postgresql":
        now = connection.scalar(sa.text("SELECT EXTRACT(EPOCH FROM clock_timestamp())"))
        return float(now or 0)
    return time.time()
