"""Which rows of the ledger stand, and what may take the place of one."""

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bench.errors import BenchError
from bench.records import TRUST, Run
from bench.store.chain import GENESIS
from bench.store.tables import RUN

_LATER = RUN.alias("later")
STANDING = RUN.c.position.not_in(
    sa.select(_LATER.c.supersedes).where(_LATER.c.supersedes.is_not(None))
)


def place_of(
    connection: Connection, run: Run, supersedes: str | None, reason: str | None
) -> dict[str, Any] | None:
    """Position, previous hash and what is superseded; None if the run that stands is as good."""
    columns = RUN.c.position, RUN.c.run_id, RUN.c.trust, RUN.c.record
    own = connection.execute(
        sa.select(*columns).where(STANDING, RUN.c.run_id == run.run_id)
    ).one_or_none()
    old = own
    if supersedes:
        query = sa.select(*columns).where(STANDING, RUN.c.run_id == full_id(connection, supersedes))
        old = connection.execute(query).one()
        _check_correction(run, old, own)
    elif own is None and (gone := _superseded_by_another(connection, run.run_id)):
        raise BenchError(
            "E-BAD-VALUE",
            f"run {run.run_id} was superseded by run {gone[0]} ({gone[1]}); to bring it back, give "
            "--supersedes with the run that stands",
        )
    elif own is not None:
        if TRUST.index(run.trust) <= TRUST.index(own.trust):
            return None
        reason = f"{run.trust} in place of {own.trust}"
    last = connection.execute(
        sa.select(RUN.c.position, RUN.c.hash).order_by(RUN.c.position.desc()).limit(1)
    ).one_or_none()
    return {
        "position": last.position + 1 if last else 1,
        "previous": last.hash if last else GENESIS,
        "supersedes": old.position if old is not None else None,
        "reason": reason or None,
    }


def standing_trust(connection: Connection, run_id: str) -> str | None:
    """Trust of the run of an id that stands."""
    return connection.scalar(sa.select(RUN.c.trust).where(STANDING, RUN.c.run_id == run_id))


def _superseded_by_another(connection: Connection, run_id: str) -> tuple[str, str] | None:
    """Run and reason that took the place of a run, if it was another run."""
    later = RUN.alias()
    query = (
        sa.select(later.c.run_id, later.c.reason)
        .join(RUN, later.c.supersedes == RUN.c.position)
        .where(RUN.c.run_id == run_id, later.c.run_id != run_id)
        .order_by(later.c.position.desc())
    )
    found = connection.execute(query).first()
    return (found.run_id, found.reason) if found else None


def _check_correction(run: Run, old: Any, own: Any) -> None:
    if own is not None and own.position != old.position:
        raise BenchError(
            "E-BAD-VALUE",
            f"run {run.run_id} stands as row {own.position} already, so it cannot take the place "
            f"of run {old.run_id} as well",
        )
    record = json.loads(old.record)
    for what, got in (("suite", run.suite), ("limit", run.limit)):
        if got != record[what]:
            raise BenchError(
                "E-NOT-COMPARABLE",
                f"{what}: got {got}, the run {old.run_id} that it is to supersede has "
                f"{record[what]}; a correction is of the same images",
            )
    if TRUST.index(run.trust) < TRUST.index(old.trust):
        raise BenchError(
            "E-BAD-VALUE",
            f"run {old.run_id} is {old.trust}: got a correction that is {run.trust}, expected one "
            "of at least as much trust",
        )


def full_id(connection: Connection, prefix: str) -> str:
    """The id of the one run that stands and begins so.

    Raises:
        BenchError: E-NO-SUCH-RUN if none or more than one does.
    """
    begins = RUN.c.run_id.startswith(prefix, autoescape=True)
    query = sa.select(RUN.c.run_id).where(STANDING, begins).order_by(RUN.c.run_id).limit(3)
    found = connection.scalars(query).all()
    if len(found) != 1:
        fits = f"several runs, {', '.join(found)} …" if found else "no run, see `bench runs`"
        raise BenchError("E-NO-SUCH-RUN", f"run {prefix!r}: got {fits}; expected one")
    return str(found[0])
