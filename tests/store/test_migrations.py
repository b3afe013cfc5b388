import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.store import load_outcomes, load_run, open_store, run_frame, save_run, verify_chain
from tests.store.ledgers import fill_old, old_id, outcomes, small_run


def in_order(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


RUNS = [small_run(seed) for seed in (5, 3, 9, 1)]  # their ids are in another order


def test_an_old_store_opens_with_every_row_chained_in_the_order_of_writing(url):
    fill_old(url, RUNS)
    with open_store(url) as store:
        chain = verify_chain(store)
        assert (chain.runs, chain.findings) == (4, ())
        for number, run in enumerate(RUNS):
            assert load_run(store, old_id(run)) == run
            found = load_outcomes(store, old_id(run))
            assert (
                found["fog/3"].confidence.tobytes()
                == outcomes(number)["fog/3"].confidence.tobytes()
            )
        with store.engine.begin() as connection:
            rows = connection.execute(sa.text("SELECT position, run_id FROM run ORDER BY 1"))
            assert [tuple(row) for row in rows] == [
                (number, old_id(run)) for number, run in enumerate(RUNS, start=1)
            ]
        assert save_run(store, small_run(77))
        assert verify_chain(store, noted=chain.head).findings == ()


def test_values_of_an_old_store_are_kept_bit_for_bit_and_a_copy_is_left_beside_it(tmp_path):
    path, backup = tmp_path / "bench.db", tmp_path / "bench.db.schema-0001"
    fill_old(f"sqlite:///{path}", RUNS)
    columns = "s.position, task, 'set', metric, quote(value), n, quote(epsilon), quote(stderr)"
    old = f"SELECT {columns}, r.record FROM score s JOIN run r USING (run_id) ORDER BY r.rowid, 1"
    new = (
        f"SELECT {columns}, r.record FROM score s JOIN run r ON r.position = s.run ORDER BY run, 1"
    )
    before, bytes_before = in_order(path, old), path.read_bytes()
    with open_store(f"sqlite:///{path}", readonly=True) as store:  # reading is enough
        assert len(verify_chain(store).findings) == 0
    assert in_order(path, new) == before
    assert in_order(backup, old) == before
    assert len(backup.read_bytes()) == len(bytes_before)
    assert json.loads(str(before[0][-1]))["suite"] == "digits"


def test_a_store_that_is_up_to_date_is_not_copied(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, small_run(1))
    open_store(f"sqlite:///{tmp_path / 'bench.db'}").close()
    assert list(tmp_path.glob("*schema*")) == []


@pytest.mark.slow
def test_a_migration_killed_at_any_moment_leaves_the_old_store_or_the_new(tmp_path):
    path, chance = tmp_path / "bench.db", random.Random(0)
    runs = [small_run(seed) for seed in range(150)]
    fill_old(f"sqlite:///{path}", runs)
    filled, states = path.read_bytes(), []
    program = "import sys; from bench.store import open_store; open_store(sys.argv[1]).close()"
    for _ in range(12):
        path.write_bytes(filled)
        process = subprocess.Popen(
            [sys.executable, "-c", program, f"sqlite:///{path}"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": "."},
        )
        while not list(tmp_path.glob("*.schema-0001*")):
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        (version,) = in_order(path, "SELECT version_num FROM alembic_version")  # rolls back
        states.append(version[0])
        with open_store(f"sqlite:///{path}") as store:
            chain = verify_chain(store)
            assert (chain.runs, chain.findings) == (150, ())
            assert load_run(store, old_id(runs[-1])) == runs[-1]
        assert in_order(path, "PRAGMA integrity_check") == [("ok",)]
        for copy in tmp_path.glob("*.schema-0001*"):
            copy.unlink()
    assert "0001" in states, states


def test_stores_are_made_in_several_threads_of_one_process(tmp_path):
    urls = [f"sqlite:///{tmp_path / str(number)}.db" for number in range(4)]
    with ThreadPoolExecutor(len(urls)) as threads:
        for store in threads.map(open_store, urls):
            with store:
                assert run_frame(store).empty
