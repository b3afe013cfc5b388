"""What a worker does with units: all of them, once, whatever happens to some of them."""

import errno
import linecache
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from bench.errors import BenchError
from bench.recipes import RECIPES
from bench.store import open_store
from bench.store.claims import claim, status_of
from bench.submissions import load_submission
from bench.sweep import units as units_module
from bench.sweep import work as module
from bench.sweep.work import gone, machine, made, owner_here, work
from tests.sweep.grids import content, small, workplace

pytestmark = pytest.mark.usefixtures("quick")


def states(url, units):
    with open_store(url) as store:
        found = status_of(store, [unit.key for unit in units])
    return [found[unit.key].state if unit.key in found else None for unit in units]


@pytest.fixture
def counted(monkeypatch):
    """How often networks were trained, pruned and scored."""
    calls = Counter()
    for name in ("train_dense", "prune", "evaluate"):
        monkeypatch.setattr(module, name, counting(name, getattr(module, name), calls))
    return calls


def counting(name, function, calls):
    def call(*arguments, **named):
        calls[name] += 1
        return function(*arguments, **named)

    return call


def test_every_unit_is_made_scored_and_stored_once(url, tmp_path, counted):
    units = small()
    place = workplace(units, url, tmp_path)
    work(place)
    assert states(url, units) == ["done"] * 3
    assert counted == {"train_dense": 1, "prune": 2, "evaluate": 3}
    runs = content(url)
    with open_store(url) as store:
        found = status_of(store, [unit.key for unit in units])
    assert {one.run_id for one in found.values()} == set(runs)
    for unit in units:
        made_of = load_submission(place.out / unit.folder).record
        assert made_of.weights_sha256 == runs[found[unit.key].run_id][0][0].weights_sha256
    work(place)
    assert counted == {"train_dense": 1, "prune": 2, "evaluate": 3}


@pytest.mark.slow
def test_a_larger_grid_does_only_what_is_new(url, tmp_path, counted):
    work(workplace(small(), url, tmp_path))
    counted.clear()
    work(workplace(small(pruners=["snip", "magnitude", "random"]), url, tmp_path))
    assert counted == {"prune": 1, "evaluate": 1}
    assert len(content(url)) == 4


def test_a_changed_recipe_is_not_taken_for_the_old_one(url, tmp_path, counted, monkeypatch):
    work(workplace(small(pruners=[]), url, tmp_path))
    units_module._training.cache_clear()
    changed = replace(RECIPES["digits-20"], learning_rate=1e-3)
    monkeypatch.setitem(RECIPES, "digits-20", changed)
    work(workplace(small(pruners=[]), url, tmp_path))
    assert counted == {"train_dense": 2, "evaluate": 2}
    assert len(content(url)) == 2


def test_a_folder_that_is_there_is_scored_and_not_made_again(url, tmp_path, counted):
    units = small(pruners=["snip"])
    place = workplace(units, url, tmp_path)
    made(units[1], place.out, lambda *_: None)
    counted.clear()
    work(place)
    assert counted == {"evaluate": 2}


@pytest.mark.slow
def test_a_worker_that_misses_a_dense_network_trains_it_again(url, tmp_path, counted):
    """As on another machine: the store says that it is done, but its folder is not here."""
    work(workplace(small(pruners=[]), url, tmp_path / "here"))
    work(workplace(small(pruners=["magnitude"]), url, tmp_path / "there"))
    assert counted == {"train_dense": 2, "prune": 1, "evaluate": 2}
    work(workplace(small(pruners=["magnitude"]), other(tmp_path), tmp_path / "once"))
    assert content(url) == content(other(tmp_path))


def other(folder) -> str:
    return f"sqlite:///{folder / 'other.db'}"


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        (BenchError("E-NO-DATA", "the images are gone"), "E-NO-DATA: the images are gone"),
        (ArithmeticError("2 is not 3"), "ArithmeticError: 2 is not 3"),
        (PermissionError(errno.EACCES, "not yours"), "not yours"),
        (SystemExit(0), "SystemExit: 0"),
    ],
)
def test_a_unit_that_fails_does_not_stop_the_others(url, tmp_path, monkeypatch, fault, note):
    units = small()
    prune = module.prune

    def failing(plan, cut, *arguments, **named):
        if cut.pruner == "snip":
            raise fault
        return prune(plan, cut, *arguments, **named)

    monkeypatch.setattr(module, "prune", failing)
    work(workplace(units, url, tmp_path))
    assert states(url, units) == ["done", "failed", "done"]
    with open_store(url) as store:
        assert note in status_of(store, [units[1].key])[units[1].key].note


def test_what_waits_for_a_failed_dense_network_is_not_begun(url, tmp_path, monkeypatch):
    def failing(*_, **__):
        raise BenchError("E-NO-DATA", "none")

    monkeypatch.setattr(module, "train_dense", failing)
    units = small()
    work(workplace(units, url, tmp_path))
    assert states(url, units) == ["failed", None, None]


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_stops_the_worker_and_fails_no_unit(url, tmp_path, monkeypatch, reason):
    units = small()

    def full(*_, **__):
        raise OSError(reason, os.strerror(reason))

    place = workplace(units, url, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "prune", full)
        with pytest.raises(BenchError, match="E-DISK-FULL"):
            work(place)
    assert states(url, units) == ["done", "claimed", None]


def test_a_database_that_goes_away_in_the_middle_stops_the_worker(url, tmp_path, monkeypatch):
    units = small()
    place = workplace(units, url, tmp_path)
    evaluate = module.evaluate

    def last(*arguments, **named):
        found = evaluate(*arguments, **named)
        lose(url)
        return found

    monkeypatch.setattr(module, "evaluate", last)
    with pytest.raises(BenchError, match="E-NO-STORE"):
        work(place)
    assert (place.out / units[0].folder / "submission.toml").is_file()


def lose(url):
    """Nobody can read or write the database any more."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).write_bytes(b"no database" * 1000)
        return
    server, _, name = url.replace("+psycopg", "").rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_another_program_than_that_of_the_keys_is_refused(url, tmp_path):
    place = replace(workplace(small(), url, tmp_path), program=["2.0", "0.0", "another"])
    with pytest.raises(BenchError, match="begin the sweep anew"):
        work(place)


def test_a_pruner_that_changes_in_the_middle_is_refused(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = (
        "from bench.saliency import magnitude\n\ndef mine(scoring):\n    return magnitude({})\n"
    )
    (tmp_path / "growing.py").write_text(source.format("scoring"))
    units = small(pruners=["growing:mine"])
    (tmp_path / "growing.py").write_text(source.format("scoring") + "# other\n")
    linecache.clearcache()
    work(workplace(units, url, tmp_path))
    assert states(url, units) == ["done", "failed"]
    with open_store(url) as store:
        assert "has changed" in status_of(store, [units[1].key])[units[1].key].note


def test_two_threads_that_miss_a_folder_make_it_once(tmp_path, counted):
    (unit,) = small(pruners=[])
    makers = [Thread(target=made, args=(unit, tmp_path, lambda *_: None)) for _ in range(3)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert counted == {"train_dense": 1}
    assert [path.name for path in tmp_path.iterdir()] == [unit.folder]


def test_what_a_killed_worker_left_half_written_is_cleared_away(tmp_path):
    (unit,) = small(pruners=[])
    (tmp_path / f".{unit.folder}.abcd").mkdir()
    made(unit, tmp_path, lambda *_: None)
    assert [path.name for path in tmp_path.iterdir()] == [unit.folder]


def test_units_that_somebody_else_works_at_are_waited_for(url, tmp_path):
    units = small(pruners=[])
    with open_store(url) as store:
        assert claim(store, [units[0].wanted], "somebody", lease=1.0)
    work(workplace(units, url, tmp_path))
    assert states(url, units) == ["done"]


def test_an_owner_is_gone_when_its_process_is():
    assert not gone(f"{owner_here()}:0")
    assert not gone(f"elsewhere:{2**22 + 1}:0")
    assert gone(f"{machine()}:{2**22 + 1}:0")
