from dataclasses import replace
from functools import partial

import pandas as pd
import pytest

from bench.headline import HEADLINE
from bench.legend import explained, groups, head
from bench.protocol import METRICS, PROTOCOLS
from tests.factories import on_other_data, some_run, summary_of

PLACES = {
    "digits · standard 1": lambda run: run,
    "digits · standard 1 · first 100": lambda run: replace(run, limit=100),
    "digits · standard 1 · first 60000": lambda run: replace(run, limit=60000),
    "digits · authors 1": lambda run: replace(run, protocol=PROTOCOLS["authors"].id),
    "mnist · standard 1": lambda run: replace(run, suite="mnist"),
}


@pytest.fixture
def runs_of(tmp_path):
    return partial(summary_of, tmp_path)


def test_each_group_has_the_name_that_a_reader_expects_and_its_own_runs(runs_of):
    placed = {
        name: {place(some_run(seed=seed)).run_id for seed in (1, 2)}
        for name, place in PLACES.items()
    }
    runs = [place(some_run(seed=seed)) for place in PLACES.values() for seed in (1, 2)]
    assert {name: set(rows.index) for name, rows in groups(runs_of(*runs)).items()} == placed


def test_groups_with_the_visitors_runs_come_first_then_the_largest(runs_of):
    mnist = [replace(some_run(seed=seed), suite="mnist") for seed in range(3)]
    runs = [some_run(seed=1), *mnist, *(replace(run, limit=9) for run in mnist[:2])]
    table = runs_of(*runs)
    names = ["mnist · standard 1", "mnist · standard 1 · first 9", "digits · standard 1"]
    assert list(groups(table, pd.Index([]))) == names
    assert next(iter(groups(table, pd.Index([runs[0].run_id])))) == "digits · standard 1"


def test_groups_that_look_the_same_have_names_of_their_own(runs_of):
    run = some_run()
    other_constants = replace(run, protocol=replace(run.protocol, sha256="0123456789" * 6))
    table = runs_of(run, on_other_data(run), other_constants)
    named = groups(table)
    assert sorted(len(rows) for rows in named.values()) == [1, 1, 1]
    assert all(name.startswith("digits · standard 1 · ") for name in named)
    assert "digits · standard 1 · 012345" in named
    for one in table.index:  # whose comes first changes no name, which links have
        again = groups(table, pd.Index([one]))
        assert {name: list(rows.index) for name, rows in again.items()} == {
            name: list(rows.index) for name, rows in named.items()
        }


@pytest.mark.parametrize("column", HEADLINE)
def test_every_headline_number_is_explained_in_sentences(column):
    metric = METRICS[HEADLINE[column].metric]
    text = explained(column, to_dense=False)
    assert text.startswith(metric.meaning)
    assert text.endswith("Higher is better." if metric.higher_is_better else "Lower is better.")
    assert ";." not in text
    assert ".." not in text


def test_no_two_headline_numbers_have_the_same_explanation():
    assert len({explained(column, to_dense=False) for column in HEADLINE}) == len(HEADLINE)


def test_the_help_of_a_logarithm_says_difference_and_of_other_numbers_ratio():
    assert explained("lip_upper_log10", to_dense=True).endswith("Difference to dense.")
    assert explained("accuracy", to_dense=True).endswith("Ratio to dense.")


def test_the_head_of_a_column_shows_the_better_end():
    assert (head("accuracy"), head("brier")) == ("accuracy ↑", "Brier ↓")
