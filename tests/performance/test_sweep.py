"""Sweeps: what a second worker brings, what the queue costs, how long a plan takes."""

from pathlib import Path
from typing import Any

import pytest

from bench.data import load_suite, prepare_shifts
from bench.records import Run
from bench.store import open_store
from bench.store.claims import claim, finish, renew
from bench.store.tables import UNIT
from bench.sweep.grid import Grid
from bench.sweep.local import work_locally
from bench.sweep.units import Unit, units_of
from bench.sweep.work import Workplace
from tests.factories import some_run
from tests.performance.timing import said, seconds

UNIT_SECONDS = 10.0  # of the unit that the queue is measured against


def planned(**changes: Any) -> list[Unit]:
    return units_of(Grid.model_validate(changes), device="cpu")


def digits(folder: Path, workers: int, seeds: list[int]) -> float:
    """Seconds that a digits grid of ten networks takes, each scored on 100 images of every set."""
    units = planned(pruners=["snip", "imp"], sparsities=[0.5, 0.9], seeds=seeds, limit=100)
    place = Workplace(units, f"sqlite:///{folder}/{workers}.db", folder / str(workers))
    return seconds(lambda: work_locally(place, workers=workers, threads=1, look=lambda store: None))


def test_two_workers_are_nearly_twice_as_fast_as_one(tmp_path: Path) -> None:
    prepare_shifts(load_suite("digits", limit=100))  # into the cache, which is made once
    one, two = digits(tmp_path, 1, [1, 2]), digits(tmp_path, 2, [3, 4])
    said(
        f"digits grid of 10 networks: one worker {one:.0f} s, two workers {two:.0f} s, "
        f"{one / two:.2f} times as fast"
    )
    assert one / two >= 1.8


@pytest.mark.parametrize("count", [200, 10_000])
def test_the_queue_costs_little(tmp_path: Path, count: int) -> None:
    """Claim, two renewals and the end of a unit of ten seconds; half of all are done."""
    units = planned(sparsities=[i / count for i in range(count - 1)], pruners=["snip"])
    wanted, keys = [unit.wanted for unit in units], [unit.key for unit in units]
    done = {"label": "", "state": "done", "owner": "", "lease": 0.0, "deaths": 0, "note": ""}
    rows = [{"key": key, "seconds": 0.0, "run_id": "0" * 16, **done} for key in keys[: count // 2]]
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        with store.writing("unit") as connection:
            connection.execute(UNIT.insert(), rows)

        def one_unit(run: Run) -> None:
            key = claim(store, wanted, "one")
            assert key
            for _ in range(2):
                assert renew(store, key, "one", "training 1/10")
            assert finish(store, key, "one", run, {})

        runs = [some_run(seed=seed) for seed in range(10)]
        mean = seconds(lambda: [one_unit(run) for run in runs]) / len(runs)
    said(f"queue of {count} units: {1000 * mean:.0f} ms a unit, {mean / UNIT_SECONDS:.2%} of 10 s")
    assert mean < UNIT_SECONDS / 100


def test_ten_thousand_units_are_planned_in_no_time() -> None:
    taken = seconds(
        lambda: planned(
            pruners=["snip", "grasp", "crop", "imp", "random"],
            sparsities=[i / 500 for i in range(500)],
            seeds=[1, 2, 3, 4],
        )
    )
    said(f"a plan of 10 004 units: {taken:.2f} s")
    assert taken < 5
