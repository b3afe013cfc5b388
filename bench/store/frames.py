"""The runs that stand as one frame: a row a run with its headline numbers, or a row a score."""

from collections.abc import Collection
from functools import lru_cache
from operator import itemgetter

import pandas as pd
import sqlalchemy as sa
from pydantic_core import from_json

from bench.headline import HEADLINE
from bench.records import canonical_json
from bench.store.engine import Store
from bench.store.headlines import numbers_of
from bench.store.standing import STANDING
from bench.store.tables import RUN, SCORE

OF_THE_SUBMISSION = (
    "slug",
    "kind",
    "architecture",
    "pruner",
    "moment",
    "scope",
    "structure",
    "seed",
    "recipe",
    "declared_sparsity",
    "weights_sha256",
)
FACTS = (
    *("run_id", "position", "trust", *OF_THE_SUBMISSION, "sparsity", "suite", "limit"),
    *("version", "preset", "protocol", "data", "flags", "started"),
)
IN_ORDER = itemgetter(*HEADLINE)

NAMED = 10_000  # ids that a database takes in one query


def run_frame(store: Store, *, suite: str | None = None) -> pd.DataFrame:
    """One row a run, in the order of the runs' ids.

    Args:
        store: An open store.
        suite: Only runs on it.

    Returns:
        `FACTS`: of the ledger (`position`, `trust`), of the submission (`sparsity` is the
        measured one), of the run; `data` is the canonical JSON of all fingerprints. Then the
        columns of `bench.headline.HEADLINE` (float, NaN where there is none) and `missing`,
        which says why.
    """
    wanted = STANDING if suite is None else sa.and_(STANDING, RUN.c.suite == suite)
    query = sa.select(RUN.c.position, RUN.c.trust, RUN.c.record).where(wanted)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(RUN.c.run_id)).all()
        numbers = numbers_of(connection, [row.position for row in rows])
    facts = pd.DataFrame([_facts(*row) for row in rows], columns=list(FACTS))
    found = [IN_ORDER(numbers[row.position]) for row in rows]
    columns = pd.DataFrame(
        [[None if isinstance(part, str) else part for part in parts] for parts in found],
        columns=list(HEADLINE),
        dtype=float,
    )
    reasons = (tuple(part if isinstance(part, str) else "" for part in parts) for parts in found)
    return pd.concat([facts, columns], axis=1).assign(missing=list(map(_missing, reasons)))


def score_frame(
    store: Store, *, ids: Collection[str] | None = None, **conditions: object
) -> pd.DataFrame:
    """One row a score, in the order of the runs' ids.

    Args:
        store: An open store.
        ids: Only of these runs, by their whole ids; None for all.
        conditions: Only scores with these values, e.g. `task="shift", severity=5`; a list or
            tuple means one of them.

    Returns:
        `FACTS` of the run as `run_frame` gives them, then the score's own columns. A run without
        such scores has one row, whose score is missing.
    """
    wanted: sa.ColumnElement[bool] = STANDING
    if ids is not None and len(ids) <= NAMED:
        wanted = sa.and_(STANDING, RUN.c.run_id.in_(ids))
    runs = sa.select(RUN.c.position, RUN.c.trust, RUN.c.record).where(wanted)
    parts = [SCORE.c.run.label("position"), *list(SCORE.c)[2:]]
    scores = sa.select(*parts).join(RUN, RUN.c.position == SCORE.c.run).where(wanted)
    for name, value in conditions.items():
        several = value if isinstance(value, list | tuple) else [value]
        scores = scores.where(SCORE.c[name].in_(several))
    with store.reading() as connection:
        facts = [_facts(*row) for row in connection.execute(runs.order_by(RUN.c.run_id))]
        rows = connection.execute(scores.order_by(SCORE.c.run, SCORE.c.position))
        frame = pd.DataFrame(rows.all(), columns=list(rows.keys()))
    columns = pd.DataFrame(facts, columns=list(FACTS))
    if ids is not None:
        columns = columns[columns["run_id"].isin(ids)]
    return columns.merge(frame, on="position", how="left", sort=False)


def _facts(position: int, trust: str, record: str) -> tuple[object, ...]:
    """Values of `FACTS`."""
    run = from_json(record)
    submission, protocol = run["submission"], run["protocol"]
    of_the_submission = (submission.get(name) for name in OF_THE_SUBMISSION)
    return (
        *(run["run_id"], position, trust, *of_the_submission),
        *(submission["measured_sparsity"], run["suite"], run["limit"]),
        *(protocol["version"], protocol["preset"], protocol["sha256"]),
        _fingerprints(tuple(run["data"].items())),
        " ".join(run["flags"]),
        run["started"],
    )


@lru_cache(maxsize=256)  # equal in thousands of runs
def _fingerprints(data: tuple[tuple[str, str], ...]) -> str:
    return canonical_json(dict(data))


@lru_cache(maxsize=256)
def _missing(reasons: tuple[str, ...]) -> str:
    """Why numbers are missing; a reason for each of `HEADLINE`, "" for those that are there."""
    named = zip(HEADLINE, reasons, strict=True)
    return "; ".join(f"{name}: {reason}" for name, reason in named if reason)
