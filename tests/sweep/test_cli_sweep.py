"""`bench sweep` as people use it: plan, work, state, failures, and what it says of wrong input."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.watching import _table, code_of, duration, watching
from bench.errors import BenchError
from bench.store import open_store
from bench.store.claims import Status, claim, fail, finish, renew, status_of
from bench.sweep.outlook import Outlook, outlook
from tests.factories import some_run
from tests.sweep.grids import QUICK, small

GRID = 'pruners = ["snip", "magnitude"]\nsparsities = [0.9]\nlimit = 10\n'
QUICKLY = f'{GRID}recipe = "{QUICK}"\n'


@pytest.fixture
def grid(tmp_path, monkeypatch, quick) -> Path:
    """In the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(GRID)
    return tmp_path / "grid.toml"


@pytest.fixture
def begun(url, grid):
    """A store where one unit is done, one failed and one is being done."""
    units = small()
    with open_store(url) as store:
        for unit, number in zip(units, range(2), strict=False):
            claim(store, [one.wanted for one in units], "somebody")
            if number == 0:
                assert finish(store, unit.key, "somebody", some_run(), {})
            else:
                fail(store, unit.key, "somebody", "E-NO-DATA: the images are gone")
        key = claim(store, [one.wanted for one in units], "somebody")
        renew(store, key, "somebody", "shift 7/90")
    return url


def swept(*words: str):
    return CliRunner().invoke(app, ["sweep", "grid.toml", "--device", "cpu", *words])


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_plan_shows_units_and_what_they_share_and_makes_nothing(grid):
    result = swept("--dry-run", "--workers", "2")
    assert result.exit_code == 0, result.output
    rows = re.findall(r"digits lenet5 (\S+) 1234 +(digits lenet5 dense 1234)?", result.stdout)
    parent = "digits lenet5 dense 1234"
    assert rows == [("dense", ""), ("snip-0.9", parent), ("magnitude-0.9", parent)]
    assert "3 units, 1 of them dense" in result.stderr
    assert re.search(r"0/3 done, \d+ s left on 2 workers, as a few steps", result.stderr)
    assert [path.name for path in grid.parent.iterdir()] == ["grid.toml"]


def test_the_estimate_is_by_what_was_done(begun):
    result = swept("--dry-run", "--store", begun)
    assert "as those took that are done" in result.stderr
    assert re.search(r"snip-0.9 .* failed", result.stdout)


def test_the_state_of_a_sweep(begun):
    result = swept("--status", "--store", begun, "--workers", "1")
    assert result.exit_code == 0, result.output
    assert re.search(r"digits lenet5 dense +1/1", result.stdout)
    assert re.search(r"digits lenet5 snip +0/1, 1 failed", result.stdout)
    assert re.search(r"magnitude-0.9 1234: shift 7/90, for \d s", result.stdout)
    assert "1/3 done, 1 failed" in result.stdout
    assert "snip-0.9 1234 failed: E-NO-DATA: the images are gone" in result.stderr
    assert "--retry-failed" in result.stderr


def test_the_state_of_nothing_is_asked_of_a_store_that_is_there(grid):
    result = swept("--status")
    assert result.exit_code != 0
    assert "E-NO-STORE" in str(result.exception)
    assert not Path("bench.db").exists()


@pytest.mark.parametrize(
    ("notes", "code"),
    [([], 0), (["E-NO-DATA: none"], 2), (["E-NO-DATA: none", "KeyError: 'x'"], 1)],
)
def test_the_exit_code_tells_wrong_input_from_faults(notes, code):
    failed = [Status("failed", "one", False, note, 1.0, None) for note in notes]
    view = Outlook(3 + len(notes), 3, len(notes), 0, [], None)
    assert code_of(view, failed) == code


def test_a_sweep_that_ended_before_its_units_is_a_fault():
    assert code_of(Outlook(3, 2, 0, 0, [], None), []) == 1


def test_a_table_names_what_is_being_done(begun):
    units = small()
    with open_store(begun) as store:
        view = outlook(units, status_of(store, [unit.key for unit in units]), 1)
    cells = [cell for column in _table(view).columns for cell in column.cells]
    assert "1/3 done, 1 failed" in cells[0]
    assert {"digits lenet5 magnitude-0.9 1234", "shift 7/90"} <= set(cells)


def test_lines_are_printed_when_something_ends_and_not_in_between(begun, capsys):
    with watching(small(), 1, quiet=False) as look, open_store(begun) as store:
        for _ in range(3):
            look(store)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "1/3 done, 1 failed" in lines[0]
    assert "magnitude-0.9 1234, shift 7/90" in lines[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        ("", [], "E-GRID"),
        ("seeds = []", [], "E-GRID"),
        ('suites = ["nowhere"]', [], "E-UNKNOWN-SUITE"),
        (GRID.replace("snip", "snap"), [], "E-BAD-VALUE"),
        (GRID, ["--out", "grid.toml/folder"], "E-BAD-VALUE"),
        (GRID, ["--store", "sqlite:///no/such/folder/bench.db"], "E-NO-STORE"),
        (GRID, ["--store", "postgresql+psycopg://bench@127.0.0.1:1/bench"], "E-NO-STORE"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_two(tmp_path, text, words, code):
    (tmp_path / "grid.toml").write_text(text)
    ended = command(tmp_path, *words)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith(f"{code}: ")
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "sweep").exists()


def test_a_store_of_a_newer_program_is_named(tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}"):
        pass
    connection = sqlite3.connect(tmp_path / "bench.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    ended = command(tmp_path)
    assert (ended.returncode, ended.stderr[:15]) == (2, "E-STORE-SCHEMA:")


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    line = [sys.executable, "-m", "bench", "sweep", "grid.toml", "--device", "cpu", *words]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_database_that_goes_away_is_one_line_and_what_is_done_stays(
    postgresql, postgresql_server, tmp_path
):
    (tmp_path / "grid.toml").write_text(QUICKLY)
    words = ["--store", postgresql, "--workers", "1", "--quiet"]
    with ThreadPoolExecutor() as pool:
        begun = pool.submit(command, tmp_path, *words)
        while not (first := done(postgresql)):
            assert not begun.done(), begun.result().stderr
            time.sleep(0.1)
        with psycopg.connect(f"postgresql://{postgresql_server}/postgres", autocommit=True) as to:
            name = postgresql.rpartition("/")[2]
            to.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            to.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            ended = begun.result()
            to.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("E-NO-STORE: ")
    assert len(ended.stderr.splitlines()) == 1
    again = command(tmp_path, *words)
    assert again.returncode == 0, again.stderr
    after = done(postgresql)
    assert len(after) == 3
    assert first.items() <= after.items()


def done(url: str) -> dict[str, float]:
    """Key -> seconds of each unit that is done; none where there is no store yet."""
    with suppress(BenchError), open_store(url, readonly=True) as store:
        return {k: one.seconds for k, one in status_of(store).items() if one.state == "done"}
    return {}


MENDED = """
from pathlib import Path
from bench.saliency import magnitude

def mine(scoring):
    if Path("broken").exists():
        raise ValueError("is broken")
    return magnitude(scoring)
"""


@pytest.mark.slow
def test_a_sweep_from_the_command_line(tmp_path):
    """One pruner is of the user's own, fails, and is mended."""
    (tmp_path / "grid.toml").write_text(QUICKLY.replace("magnitude", "own:mine"))
    (tmp_path / "own.py").write_text(MENDED)
    (tmp_path / "broken").touch()
    first = command(tmp_path, "--workers", "2")
    assert first.returncode == 1, first.stderr
    assert "2/3 done, 1 failed" in first.stderr
    assert "mine-0.9 1234 failed: " in first.stderr
    assert "ValueError: is broken" in first.stderr
    (tmp_path / "broken").unlink()
    second = command(tmp_path, "--workers", "1")
    assert (second.returncode, "2/3 done, 1 failed" in second.stderr) == (1, True)
    third = command(tmp_path, "--workers", "1", "--retry-failed")
    assert third.returncode == 0, third.stderr
    assert "3/3 done" in third.stderr
    assert "bench leaderboard --store sqlite:///bench.db" in third.stderr
    assert len(list((tmp_path / "sweep").iterdir())) == 3
    other = command(tmp_path, "--workers", "1", "--out", "other")
    assert "3 of the 3 submissions are not in other/" in other.stderr


def test_the_time_that_is_left_is_that_of_units_of_their_kind(url, grid):
    units = small(pruners=["snip", "magnitude"], sparsities=[0.5, 0.9], seeds=[1])
    taken = {"dense": 40.0, "snip-0.5": 20.0, "magnitude-0.5": 4.0}
    found = {
        unit.key: Status("done", "one", False, "", taken[name], "0")
        for unit in units
        for name in [unit.name.split()[2]]
        if name in taken
    }
    assert outlook(units, {}, 1).left is None
    assert outlook(units, found, 1).left == 24.0
    assert outlook(units, found, 2).left == 12.0
    assert outlook(units, found, 16).left == 12.0  # two are left, so two work
    busy = Status("claimed", "one", False, "", 15.0, None)
    assert outlook(units, found | {units[2].key: busy}, 1).left == 9.0
    slow = replace(busy, seconds=1800.0)  # than was to be expected: the other still takes its time
    assert outlook(units, found | {units[2].key: slow}, 1).left == 4.0
