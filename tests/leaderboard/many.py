"""Stores of thousands of runs, made in seconds; `bench verify` accepts them.

The first runs are saved as any run is. The others repeat their scores, which the database copies
by itself, under names, seeds, weights and hashes of their own.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bench.records import ProtocolId, Run, Score, canonical_json, to_json
from bench.store import open_store, save_run
from bench.store.chain import row_hash
from bench.store.tables import HEADLINE, RUN, SCORE
from tests.factories import some_run, some_scores

TEST_IMAGES = 597
PROTOCOL = ProtocolId(version=1, preset="many", sha256="5" * 64)  # no other asks for 200 scores
ORIGINALS = 101  # their scores are repeated; no divisor of the number of seeds of a family
PRUNERS = ("dense", "magnitude", "snip", "grasp", "crop", "random", "imp", "snr", "synflow", "edge")
SPARSITIES = (0.5, 0.8, 0.9, 0.95, 0.98)
ARCHITECTURES = ("lenet5", "resnet18", "alexnet", "conv6")


def fill(url: str, runs: int, scores: int = 200) -> None:
    """Writes a new store of so many runs of one group, each with so many scores."""
    made = many_runs(scores)
    with open_store(url) as store:
        for run in itertools.islice(made, min(runs, ORIGINALS)):
            assert save_run(store, run)
        with store.engine.begin() as connection:
            first = [dict(row) for row in connection.execute(_whole_chain()).mappings()]
            rows = list(_repeated(first, itertools.islice(made, max(runs - ORIGINALS, 0))))
            if rows:
                connection.execute(RUN.insert(), rows)
                for table in (SCORE, HEADLINE):
                    _repeat(connection, table)


def _whole_chain() -> "sa.Select[Any]":
    return sa.select(RUN).order_by(RUN.c.position)


def _repeated(first: list[dict[str, Any]], runs: Iterator[Run]) -> Iterator[dict[str, Any]]:
    """Rows of the ledger after the first ones, whose scores they repeat in turn."""
    previous = first[-1]["hash"]
    for position, run in enumerate(runs, start=len(first) + 1):
        record = to_json(replace(run, scores=()))
        del record["scores"]
        row = {
            **first[(position - 1) % len(first)],
            "position": position,
            "run_id": run.run_id,
            "weights_sha256": run.submission.weights_sha256,
            "record": canonical_json(record),
            "previous": previous,
        }
        previous = row["hash"] = row_hash(row)
        yield row


def _repeat(connection: Connection, table: sa.Table) -> None:
    """Copies what belongs to the first runs to the others, in turn."""
    original = 1 + (RUN.c.position - 1) % ORIGINALS
    query = sa.select(RUN.c.position, *list(table.c)[1:])
    query = query.join(table, table.c.run == original).where(RUN.c.position > ORIGINALS)
    connection.execute(table.insert().from_select(list(table.c), query.order_by(RUN.c.position)))


def many_runs(scores: int) -> Iterator[Run]:
    """Runs without end: every pruner, sparsity and architecture for seed 0, then for seed 1, …"""
    whole = [tuple(_scores(0.4 + number / 200, scores)) for number in range(ORIGINALS)]
    families = list(itertools.product(ARCHITECTURES, PRUNERS, SPARSITIES))
    for number in itertools.count():
        seed, place = divmod(number, len(families))
        architecture, pruner, sparsity = families[place]
        run = some_run(pruner=pruner, sparsity=sparsity, seed=seed, scores=())
        submission = replace(
            run.submission,
            slug=f"{pruner}-{sparsity:g}-{architecture}-{seed}",
            architecture=architecture,
            weights_sha256=f"{number:064x}",
        )
        yield replace(
            run, submission=submission, protocol=PROTOCOL, scores=whole[number % ORIGINALS]
        )


def _scores(accuracy: float, count: int) -> list[Score]:
    """`some_scores`, then AUROC of MSP on as many outlier sets as are needed."""
    known = some_scores(accuracy)
    more = (
        Score.about("outliers", f"set-{number}", detector="msp", batch_size=1)
        for number in itertools.count()
    )
    measured = (about.measured("auroc", 0.5 + accuracy / 3, 99) for about in more)
    padded = [*known, *itertools.islice(measured, max(count - len(known), 0))]
    return [_possible(score) for score in padded[:count]]


def _possible(score: Score) -> Score:
    """The nearest that so many images can give."""
    if score.value is None or score.metric not in ("accuracy", "auroc"):
        return score
    images = score.n
    if score.metric == "auroc":
        score = replace(score, n=TEST_IMAGES + images)
        images *= 2 * TEST_IMAGES
    return replace(score, value=max(round(score.value * images), 0) / images)
