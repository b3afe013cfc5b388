import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from bench.headline import HEADLINE, headline
from bench.store import open_store, run_frame, save_run, score_frame, verify_chain
from tests.factories import on_other_data, some_run

RUNS = [some_run(seed=seed, accuracy=0.9 - seed / 100) for seed in range(3)]


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "bench.db"
    with open_store(f"sqlite:///{path}") as store:
        for run in RUNS:
            assert save_run(store, run)
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def read(path: Path) -> pd.DataFrame:
    with open_store(f"sqlite:///{path}", readonly=True) as store:
        return run_frame(store).set_index("run_id")


def kept(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT run, version, numbers FROM headline ORDER BY 1"
        ).fetchall()


def test_a_row_has_the_numbers_of_its_run_and_the_reasons_of_the_others(path):
    frame = read(path)
    for run in RUNS:
        row, expected = frame.loc[run.run_id], headline(run.scores)
        numbers = {name: value for name, value in expected.items() if isinstance(value, float)}
        reasons = {name: value for name, value in expected.items() if isinstance(value, str)}
        assert row[list(numbers)].to_dict() == numbers
        assert row[list(reasons)].isna().all()
        assert dict(part.split(": ") for part in row["missing"].split("; ")) == reasons
    assert {"accuracy", "shift", "ood_msp"} <= set(numbers)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM headline", "UPDATE headline SET version = 'older', numbers = '{}'"]
)
def test_numbers_that_are_missing_or_of_other_columns_are_found_anew(path, statement):
    before, written = read(path), kept(path)
    change(path, statement)
    assert_frame_equal(read(path), before)
    assert kept(path) != written  # reading writes nothing
    open_store(f"sqlite:///{path}").close()
    assert kept(path) == written


def test_numbers_that_do_not_follow_from_the_scores_are_found(path):
    change(path, "UPDATE headline SET numbers = replace(numbers, '0.89', '0.99') WHERE run = 2")
    with open_store(f"sqlite:///{path}") as store:
        (finding,) = verify_chain(store).findings
    assert finding.where == "headline of run 2"


def test_only_the_scores_asked_for_are_read(path):
    with open_store(f"sqlite:///{path}") as store:
        whole = score_frame(store)
        some = score_frame(store, task="shift", severity=[2, 3])
    assert set(some["task"]) == {"shift"}
    assert set(some["severity"]) == {2, 3}
    chosen = whole[(whole["task"] == "shift") & whole["severity"].isin([2, 3])]
    given, expected = (frame.dropna(axis="columns", how="all") for frame in (some, chosen))
    assert_frame_equal(given, expected.reset_index(drop=True), check_dtype=False)


def test_only_runs_of_the_suite_are_read(path):
    with open_store(f"sqlite:///{path}") as store:
        save_run(store, on_other_data(RUNS[0]))
        assert len(run_frame(store, suite="digits")) == 4
        empty = run_frame(store, suite="mnist")
    assert empty.empty
    assert set(HEADLINE) < set(empty.columns)
