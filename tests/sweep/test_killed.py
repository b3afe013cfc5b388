"""Sweeps that are killed end as those that are not: nothing lost, nothing twice, the same bytes."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bench.errors import BenchError
from bench.store import open_store
from bench.store.claims import DEATHS, status_of
from bench.sweep.local import work_locally
from bench.sweep.work import checkpoints, work
from tests.sweep.faults import units as fault_units
from tests.sweep.grids import QUICK, content, small, workplace

HERE = Path(__file__).parents[2]
WRITES = (
    "commit in engine.writing of claims.claim",
    "commit in engine.writing of claims.renew",
    "commit in engine.writing of claims.finish",
    "commit in engine.writing of claims.give_back",
    "fsync in files.write_durably of files.write_atomically",
    "replace in files.write_atomically of checkpoints._save",
    "fsync in files.write_durably of pack.write_folder",
    "rename in pack.write_folder of pack.pack",
)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread", "quick")
def test_a_worker_may_die_before_and_after_every_write(url, tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "tests.sweep.faults", url, str(tmp_path)],
        cwd=HERE,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    places = set((tmp_path / "seen").read_text().splitlines())
    assert {f"{when} {write}" for when in ("before", "after") for write in WRITES} <= places
    killed = content(url)
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    units = [unit for seed in range(1, 20) for unit in fault_units(seed)][: len(killed)]
    work(workplace(units, whole, tmp_path / "whole"))
    assert killed == content(whole)


def sweep(
    grid: Path, url: str, *options: str, errors: int = subprocess.DEVNULL
) -> "subprocess.Popen[bytes]":
    """`bench sweep` as a user starts it, with two workers."""
    command = [sys.executable, "-m", "bench", "sweep", str(grid), "--store", url, "--quiet"]
    folder = ["--out", str(grid.parent / "out"), "--workers", "2", "--device", "cpu"]
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    return subprocess.Popen([*command, *folder, *options], env=environment, stderr=errors)


def workers_of(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """The sweep starts what forks them."""
    found = []
    for child in psutil.Process(process.pid).children():
        with suppress(psutil.Error):  # it was killed a moment ago
            found += child.children()
    return found


def write_grid(path: Path, seeds: list[int]) -> None:
    text = 'pruners = ["snip", "magnitude"]\nsparsities = [0.9]\nlimit = 10\n'
    path.write_text(f'{text}recipe = "{QUICK}"\nseeds = {seeds}\n', encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("one_thread")
def test_a_sweep_may_be_killed_at_any_moment(url, tmp_path):
    """Of every five kills one is of the sweep, four of one of its workers."""
    chance, seeds, grid = random.Random(0), [1, 2], tmp_path / "grid.toml"
    write_grid(grid, seeds)
    process, kills = sweep(grid, url), 0
    while kills < (50 if url.startswith("sqlite") else 10):
        time.sleep(chance.uniform(0, 2))
        if process.poll() is not None:
            if process.returncode == 0:  # more to do, so that there is something to kill
                seeds.append(len(seeds) + 1)
                write_grid(grid, seeds)
            process = sweep(grid, url, "--retry-failed")
        elif kills % 5 == 4:
            process.kill()
            process.wait()
            process, kills = sweep(grid, url, "--retry-failed"), kills + 1
        elif workers := workers_of(process):
            with suppress(psutil.NoSuchProcess):
                chance.choice(workers).kill()
                kills += 1
    process.kill()
    process.wait()
    assert sweep(grid, url, "--retry-failed").wait() == 0
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    work(workplace(small(seeds=seeds, recipe=QUICK), whole, tmp_path / "whole"))
    assert content(url) == content(whole)
    assert not list((tmp_path / "out").glob(".*.unfinished"))


@pytest.mark.slow
def test_a_unit_that_ends_its_workers_fails_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("leaving.py").write_text("import os\n\ndef prune(scoring):\n    os._exit(3)\n")
    units = small(pruners=["leaving:prune", "magnitude"], recipe=QUICK)
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    work_locally(workplace(units, url, tmp_path), workers=1, threads=1, look=lambda store: None)
    with open_store(url, readonly=True) as store:
        states = status_of(store)
    assert [states[unit.key].state for unit in units] == ["done", "failed", "done"]
    assert f"died {DEATHS} times" in states[units[1].key].note


@pytest.mark.slow
def test_a_worker_that_is_killed_after_every_checkpoint_is_not_the_units_fault(tmp_path):
    url, ended, kills = f"sqlite:///{tmp_path / 'bench.db'}", threading.Event(), []
    place = workplace(small(pruners=[], sparsities=[], recipe="short-10"), url, tmp_path, lease=0.4)
    (unit,) = place.units

    def kill() -> None:
        seen = checkpoints(unit, place.out)
        while len(kills) < 2 * DEATHS and not ended.wait(0.02):
            if checkpoints(unit, place.out) - seen:
                time.sleep(place.lease)  # in which it says so
                seen = checkpoints(unit, place.out)
                for child in multiprocessing.active_children():
                    child.kill()
                kills.append(len(seen))

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        work_locally(place, workers=1, threads=1, look=lambda store: None)
    finally:
        ended.set()
        killer.join()
    with open_store(url, readonly=True) as store:
        assert status_of(store)[unit.key].state == "done"
    assert len(kills) > DEATHS


def test_workers_that_are_always_killed_before_they_begin_end_the_sweep(url, tmp_path):
    ended = threading.Event()

    def kill_all():
        while not ended.wait(0.01):
            for child in multiprocessing.active_children():
                child.kill()

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        with pytest.raises(BenchError, match=r"E-WORKERS-KILLED: got 2. workers"):
            work_locally(
                workplace(small(), url, tmp_path), workers=2, threads=1, look=lambda store: None
            )
    finally:
        ended.set()
        killer.join()
    with open_store(url, readonly=True) as store:
        assert status_of(store) == {}


@pytest.mark.slow
def test_ctrl_c_ends_workers_and_claims(url, tmp_path):
    grid = tmp_path / "grid.toml"
    write_grid(grid, [1, 2])
    process = sweep(grid, url, errors=subprocess.PIPE)
    while not list(tmp_path.glob("out/*/submission.toml")):
        time.sleep(0.1)
    workers = workers_of(process)
    assert len(workers) == 2
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.decode() == "Interrupted. The same command goes on with what is not done.\n"
    assert not any(worker.is_running() for worker in workers)
    with open_store(url, readonly=True) as store:
        found = status_of(store, [unit.key for unit in small(seeds=[1, 2], recipe=QUICK)])
    assert all(one.state == "done" or one.lapsed for one in found.values())


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_workers_give_the_bytes_of_one(url, tmp_path):
    units = small(pruners=["imp", "edge-popup"], recipe=QUICK)
    alone = f"sqlite:///{tmp_path / 'alone.db'}"
    work(workplace(units, alone, tmp_path / "one"))
    place = workplace(units, url, tmp_path / "two")
    seen = []

    def look(store):
        found = status_of(store, [unit.key for unit in units])
        seen.append(sum(one.state == "claimed" for one in found.values()))

    work_locally(place, workers=2, threads=1, look=look)
    assert max(seen) == 2
    assert content(url) == content(alone)
    for unit in units:
        one, two = (tmp_path / name / "out" / unit.folder for name in ("one", "two"))
        assert {file.name for file in one.iterdir()} == {file.name for file in two.iterdir()}
        for name in ("weights.safetensors", "submission.toml", "curve.csv"):
            assert (one / name).read_bytes() == (two / name).read_bytes()
