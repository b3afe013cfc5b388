import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.records import Score
from bench.store import (
    Outcome,
    is_there,
    load_outcomes,
    load_run,
    open_store,
    save_run,
    score_frame,
    verify_chain,
    with_outcomes,
)
from bench.store.outcomes import compress, decompress
from tests.factories import some_run

WHOLE = compress(Outcome(np.arange(30), np.linspace(0, 1, 30, dtype=np.float32)))
names = st.text("abcdefghij-*×", min_size=1, max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False, max_value=1e307, min_value=-1e307)
maybe = st.one_of(st.none(), names)
written = st.builds(
    Score,
    task=names,
    set=names,
    metric=names,
    value=numbers,
    n=st.integers(0, 10**9),
    attack=maybe,
    epsilon=st.one_of(st.none(), numbers),
    corruption=maybe,
    severity=st.one_of(st.none(), st.integers(1, 5)),
    detector=maybe,
    batch_size=st.one_of(st.none(), st.integers(1, 100)),
    stderr=st.one_of(st.none(), numbers),
)
unwritten = st.builds(
    Score,
    task=names,
    set=names,
    metric=names,
    value=st.none(),
    n=st.just(0),
    reason=st.sampled_from(["not_run", "not_applicable", "failed", "declined"]),
)


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """A store of which the test looks at the file."""
    return f"sqlite:///{tmp_path / 'bench.db'}"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scores=st.lists(st.one_of(written, unwritten), max_size=5), accuracy=st.floats(0, 1))
def test_a_run_comes_out_as_it_went_in(tmp_path_factory, scores, accuracy):
    place = tmp_path_factory.mktemp("store") / "bench.db"
    run = some_run(accuracy=accuracy, scores=scores)
    with open_store(f"sqlite:///{place}") as store:
        assert save_run(store, run)
        assert load_run(store, run.run_id) == run


def test_outcomes_come_out_bit_for_bit(url):
    generator = np.random.default_rng(0)
    kept = Outcome(
        predicted=generator.integers(0, 10, 1000),
        confidence=generator.random(1000, dtype=np.float32),
    )
    run = some_run()
    with open_store(url) as store:
        save_run(store, run, {"fog/3": kept})
        found = load_outcomes(store, run.run_id)["fog/3"]
    assert np.array_equal(found.predicted, kept.predicted)
    assert found.confidence.tobytes() == kept.confidence.tobytes()


def test_runs_whose_outcomes_are_kept_are_told_from_the_others(url):
    kept = Outcome(predicted=np.zeros(9, int), confidence=np.ones(9, np.float32))
    first, second, third = (some_run(seed=seed) for seed in range(3))
    with open_store(url) as store:
        save_run(store, first, {"fog/3": kept})
        save_run(store, second)
        save_run(store, third, {"fog/3": kept})
        assert with_outcomes(store, [first.run_id, second.run_id]) == {first.run_id}
        assert with_outcomes(store, []) == set()


@pytest.mark.parametrize(
    ("content", "n"),
    [(b"", 30), (b"no zlib", 30), (WHOLE[:-9], 30), (WHOLE, 29), (WHOLE, 31), (WHOLE * 2, 60)],
)
def test_outcomes_that_are_not_those_of_so_many_images_are_refused(content, n):
    assert len(decompress(WHOLE, 30).confidence) == 30
    with pytest.raises(ValueError, match="outcome"):
        decompress(content, n)


def test_the_same_run_twice_is_one_run_and_the_first_stays(url):
    first, second = some_run(), some_run(accuracy=0.1)
    assert first.run_id == second.run_id
    with open_store(url) as store:
        assert save_run(store, first)
        assert not save_run(store, second)
        assert load_run(store, first.run_id[:4]) == first
        assert score_frame(store)["run_id"].nunique() == 1


def test_an_id_that_fits_none_or_many_is_refused(url):
    with open_store(url) as store:
        save_run(store, some_run(seed=1))
        save_run(store, some_run(seed=2))
        for prefix, count in (("zz", "no run"), ("", "several"), ("%", "no run")):
            with pytest.raises(BenchError, match=f"E-NO-SUCH-RUN.*got {count}"):
                load_run(store, prefix)


def test_the_frame_has_a_row_a_score_with_the_columns_of_its_run(url):
    run = some_run(pruner="snip", sparsity=0.9)
    with open_store(url) as store:
        save_run(store, run)
        frame = score_frame(store)
        assert score_frame(store, ids=[]).empty
    assert len(frame) == len(run.scores)
    assert set(frame["slug"]) == {"snip-0.9"}
    assert frame["value"].tolist()[0] == 0.9
    assert frame.loc[frame["set"] == "kmnist", "reason"].tolist() == ["not_run"]


def test_reading_needs_a_store_and_changes_nothing(file_url, tmp_path):
    with pytest.raises(BenchError, match="no such file"):
        open_store(file_url, readonly=True)
    with open_store(file_url) as store:
        save_run(store, some_run())
    before = (tmp_path / "bench.db").read_bytes()
    with open_store(file_url, readonly=True) as store:
        assert len(score_frame(store))
        with pytest.raises(Exception, match="readonly"):
            save_run(store, some_run(seed=7))
    assert (tmp_path / "bench.db").read_bytes() == before


@pytest.mark.parametrize(
    "bad", ["nonsense", "sqlite:////no/such/folder/x.db", "nodb://x/y", "", "sqlite://"]
)
def test_a_url_that_is_no_store_says_what_one_looks_like(bad):
    with pytest.raises(BenchError, match="E-NO-STORE"):
        open_store(bad)


@pytest.mark.parametrize("bad", ["bench.db", "postgresql+psycopg://me:secret@host:port/db"])
def test_a_url_that_is_none_is_refused_also_where_only_its_file_is_looked_for(bad):
    with pytest.raises(BenchError, match="E-NO-STORE"):
        is_there(bad)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://me:secret@127.0.0.1:1/bench", "me:***@127"),
        ("postgresql:/me:secret@host/db", "://***@host"),
        ("postgresql://me:secret@host:port/db", "://***@host"),
    ],
)
def test_a_refusal_never_shows_the_password(url, shown):
    with pytest.raises(BenchError, match="E-NO-STORE") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
    assert shown in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    path = tmp_path / "thesis.tex"
    path.write_text("years of work" * 100)
    with pytest.raises(BenchError, match="E-NO-STORE"):
        open_store(f"sqlite:///{path}")
    assert path.read_text() == "years of work" * 100


def test_a_store_of_a_newer_program_is_refused(file_url, tmp_path):
    open_store(file_url).close()
    connection = sqlite3.connect(tmp_path / "bench.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(BenchError, match="has schema 9999"):
        open_store(file_url)


def test_the_database_itself_refuses_impossible_scores(file_url, tmp_path):
    with open_store(file_url) as store:
        save_run(store, some_run())
    connection = sqlite3.connect(tmp_path / "bench.db")
    connection.execute("DROP TRIGGER score_no_update")
    for change in ("value = 9e999", "reason = 'failed'", "n = -1"):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute(f"UPDATE score SET {change} WHERE value IS NOT NULL")
    connection.close()


WRITER = """
import sys
from bench.store import open_store, save_run
from tests.factories import some_run
with open_store(sys.argv[1]) as store:
    for seed in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
        save_run(store, some_run(seed=seed))
        print(seed, flush=True)
"""
SCORES = len(some_run().scores)


def writer(url: str, first: int, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(first), str(count)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )


def whole_runs(url: str) -> set[int]:
    with open_store(url) as store:
        frame = score_frame(store)
        assert verify_chain(store).findings == ()
    assert (frame.groupby("run_id").size() == SCORES).all()
    return set(frame["seed"].astype(int))


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_runs_only(url, tmp_path):
    chance, acknowledged = random.Random(0), set()
    open_store(url).close()
    for attempt in range(20):
        process = writer(url, 1000 * attempt, 1000)
        assert process.stdout is not None
        acknowledged.add(int(process.stdout.readline()))
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        acknowledged |= {int(line) for line in process.stdout.read().split()}
        process.wait()
        process.stdout.close()
    assert whole_runs(url) >= acknowledged
    assert len(acknowledged) >= 20
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "bench.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_four_writers_at_once_lose_nothing(url):
    """The store does not exist yet: opening it is part of the race."""
    processes = [writer(url, 100 * number, 15) for number in range(4)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    assert len(whole_runs(url)) == 60


def test_a_reader_sees_whole_runs_while_another_writes(url):
    with open_store(url) as store:
        save_run(store, some_run())
    process = writer(url, 10, 40)
    counts = []
    while process.poll() is None:
        with open_store(url, readonly=True) as store:
            counts.append(score_frame(store)["run_id"].nunique())
    process.communicate()
    assert process.returncode == 0
    assert counts == sorted(counts)
