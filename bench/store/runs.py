"""Runs into the store and out again, as records or as one frame of scores."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import sqlalchemy as sa

from bench.errors import BenchError
from bench.records import Run, canonical_json, from_json, to_json
from bench.store.engine import Store
from bench.store.outcomes import Outcome, compress, decompress
from bench.store.tables import OUTCOME, RUN, SCORE


def save_run(store: Store, run: Run, outcomes: Mapping[str, Outcome] = {}) -> bool:
    """Saves a run in one transaction; a run that is there stays as it is.

    Args:
        store: Open for writing.
        run: The run.
        outcomes: Per-image outcomes by set.

    Returns:
        False if a run of the same id was there.
    """
    record = to_json(run)
    scores = record.pop("scores")
    kept = [
        {
            "run_id": run.run_id,
            "key": key,
            "n": len(outcome.msp),
            "content": compress(outcome),
        }
        for key, outcome in outcomes.items()
    ]
    with store.engine.begin() as connection:
        if connection.scalar(sa.select(RUN.c.run_id).where(RUN.c.run_id == run.run_id)):
            return False
        connection.execute(
            RUN.insert(),
            {
                "run_id": run.run_id,
                "suite": run.suite,
                "protocol_sha256": run.protocol.sha256,
                "weights_sha256": run.submission.weights_sha256,
                "record": record,
            },
        )
        if scores:
            connection.execute(
                SCORE.insert(),
                [
                    {"run_id": run.run_id, "position": position, **score}
                    for position, score in enumerate(scores)
                ],
            )
        if kept:
            connection.execute(OUTCOME.insert(), kept)
    return True


def load_run(store: Store, prefix: str) -> Run:
    """The run whose id begins so.

    Raises:
        BenchError: E-NO-SUCH-RUN if none or more than one does.
    """
    run_id = _full_id(store, prefix)
    with store.engine.begin() as connection:
        record = connection.scalar(sa.select(RUN.c.record).where(RUN.c.run_id == run_id))
        query = sa.select(SCORE).where(SCORE.c.run_id == run_id).order_by(SCORE.c.position)
        scores = [dict(row) for row in connection.execute(query).mappings()]
    for score in scores:
        del score["run_id"], score["position"]
    return from_json({**(record or {}), "scores": scores})


def load_outcomes(store: Store, prefix: str) -> dict[str, Outcome]:
    """Per-image outcomes of the run whose id begins so, by set."""
    run_id = _full_id(store, prefix)
    with store.engine.begin() as connection:
        rows = connection.execute(sa.select(OUTCOME).where(OUTCOME.c.run_id == run_id))
        return {row.key: decompress(row.content, row.n) for row in rows}


def score_frame(store: Store, *, suite: str | None = None) -> pd.DataFrame:
    """One row a score, with the columns of its run; in the order of the runs' ids.

    Args:
        store: An open store.
        suite: Only runs on it.

    Returns:
        The run's columns (`run_id`, `slug`, `architecture`, `pruner`, `moment`, `scope`,
        `structure`, `seed`, `recipe`, `sparsity`, `declared_sparsity`, `weights_sha256`, `suite`,
        `limit`, `version`, `preset`, `protocol`, `data`, `flags`, `started`), then a score's.
        `data` is the canonical JSON of all fingerprints.
    """
    runs = sa.select(RUN.c.run_id, RUN.c.record).order_by(RUN.c.run_id)
    scores = sa.select(SCORE).order_by(SCORE.c.run_id, SCORE.c.position)
    if suite is not None:
        runs = runs.where(RUN.c.suite == suite)
        scores = scores.join(RUN).where(RUN.c.suite == suite)
    with store.engine.begin() as connection:
        facts = [_run_columns(row.run_id, row.record) for row in connection.execute(runs)]
        rows = connection.execute(scores)
        frame = pd.DataFrame(rows.all(), columns=list(rows.keys()))
    columns = pd.DataFrame(facts, columns=list(_run_columns("", None)))
    return columns.merge(frame, on="run_id", how="left", sort=False)


def _run_columns(run_id: str, record: Mapping[str, Any] | None) -> dict[str, Any]:
    """The run's part of a row; of None, just the names."""
    run = record or {"submission": {}, "protocol": {}, "data": {}, "flags": []}
    submission, protocol = run["submission"], run["protocol"]
    return {
        "run_id": run_id,
        **{name: submission.get(name) for name in SUBMISSION_COLUMNS},
        "sparsity": submission.get("measured_sparsity"),
        "suite": run.get("suite"),
        "limit": run.get("limit"),
        "version": protocol.get("version"),
        "preset": protocol.get("preset"),
        "protocol": protocol.get("sha256"),
        "data": canonical_json(run["data"]),
        "flags": " ".join(run["flags"]),
        "started": run.get("started"),
    }


SUBMISSION_COLUMNS = (
    "slug",
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


def _full_id(store: Store, prefix: str) -> str:
    query = sa.select(RUN.c.run_id).where(RUN.c.run_id.startswith(prefix, autoescape=True))
    with store.engine.begin() as connection:
        found = connection.scalars(query.order_by(RUN.c.run_id).limit(3)).all()
    if len(found) != 1:
        near = f"it fits {', '.join(found)}, …" if found else "see `bench runs`"
        raise BenchError("E-NO-SUCH-RUN", f"run {prefix!r}: got {len(found)} runs, {near}")
    return str(found[0])
