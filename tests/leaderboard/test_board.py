from dataclasses import replace

import pandas as pd
import pytest

from bench.headline import HEADLINE
from bench.protocol import METRICS, PROTOCOLS
from bench.ranking import summary
from bench.store import open_store, run_frame, save_run
from leaderboard.views.board import board, explained, groups, head
from tests.factories import on_other_data, some_run

PLACES = {
    "digits · standard 1": lambda run: run,
    "digits · standard 1 · first 100": lambda run: replace(run, limit=100),
    "digits · standard 1 · first 60000": lambda run: replace(run, limit=60000),
    "digits · authors 1": lambda run: replace(run, protocol=PROTOCOLS["authors"].id),
    "mnist · standard 1": lambda run: replace(run, suite="mnist"),
}


@pytest.fixture
def runs_of(tmp_path):
    def runs_of(*runs):
        with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
            for run in runs:
                assert save_run(store, run)
            return summary(run_frame(store))

    return runs_of


def test_each_group_has_the_name_that_a_reader_expects_and_its_own_runs(runs_of):
    placed = {
        name: {place(some_run(seed=seed)).run_id for seed in (1, 2)}
        for name, place in PLACES.items()
    }
    runs = [place(some_run(seed=seed)) for place in PLACES.values() for seed in (1, 2)]
    named = groups(runs_of(*runs), pd.Index([]))
    assert {name: set(rows.index) for name, rows in named.items()} == placed


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
    named = groups(runs_of(run, on_other_data(run), other_constants), pd.Index([]))
    assert sorted(len(rows) for rows in named.values()) == [1, 1, 1]
    assert all(name.startswith("digits · standard 1") for name in named)


def test_a_table_has_who_then_numbers_then_what_else_is_known(runs_of):
    runs = runs_of(replace(some_run(), flags=("a-flag",)))
    columns = list(board(runs, "shift", ["accuracy", "shift", "nll"], to_dense=False))
    assert columns[:6] == ["rank", "slug", "pruner", "sparsity", "shift", "accuracy"]
    assert columns[6:8] == ["architecture", "moment"]
    assert columns[-2:] == ["missing", "flags"]


def test_only_what_is_shown_is_said_to_be_missing(runs_of):
    row = board(runs_of(some_run()), "accuracy", ["nll", "ood_msp"], to_dense=False).iloc[0]
    assert row["missing"] == "NLL: not run"


def test_columns_without_a_value_are_left_out_but_for_who_and_the_one_that_ranks(runs_of):
    run = some_run(scores=[])
    unknown = replace(run.submission, pruner=None, measured_sparsity=None, seed=None)
    table = board(runs_of(replace(run, submission=unknown)), "ece", ["nll"], to_dense=False)
    assert list(table)[:5] == ["rank", "slug", "pruner", "sparsity", "ece"]
    assert not {"nll", "seed", "flags"} & set(table)
    assert table[["rank", "pruner", "sparsity", "ece"]].isna().all(axis=None)


def test_a_table_of_ratios_has_deviations_beside_the_means(runs_of):
    dense = [some_run(seed=1, accuracy=0.8), some_run(seed=2, accuracy=0.4)]
    snip = [some_run(pruner="snip", sparsity=0.9, seed=seed, accuracy=0.4) for seed in (1, 2)]
    runs = runs_of(*dense, *snip)
    table = board(runs, "size_bytes", ["accuracy"], to_dense=True)
    columns = list(table)
    assert columns[:4] == ["rank", "pruner", "sparsity", "seeds"]
    assert columns[4:8] == ["size_bytes", "size_bytes_std", "accuracy", "accuracy_std"]
    assert table["rank"].tolist() == [1, 1]
    assert table["trust"].tolist() == ["self-reported"] * 2
    snip_row = table.set_index("pruner").loc["snip"]
    assert snip_row["accuracy"] == pytest.approx(0.75)
    assert snip_row["accuracy_std"] == pytest.approx(0.5 / 2**0.5)


def test_ratios_without_dense_are_an_empty_table(runs_of):
    table = board(runs_of(some_run(pruner="snip", sparsity=0.9)), "nll", [], to_dense=True)
    assert isinstance(table, pd.DataFrame)
    assert table.empty


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
