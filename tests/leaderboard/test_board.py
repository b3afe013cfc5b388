from dataclasses import replace
from functools import partial

import pandas as pd
import pytest

from bench.ranking import relative
from leaderboard.views.board import board, with_intervals
from tests.factories import some_run, summary_of


@pytest.fixture
def runs_of(tmp_path):
    return partial(summary_of, tmp_path)


def test_a_table_has_who_then_numbers_then_what_else_is_known(runs_of):
    runs = runs_of(replace(some_run(), flags=("a-flag",)))
    columns = list(board(runs, "shift", ["accuracy", "shift", "nll"]))
    assert columns[:6] == ["rank", "slug", "pruner", "sparsity", "shift", "accuracy"]
    assert columns[6:8] == ["architecture", "moment"]
    assert columns[-2:] == ["missing", "flags"]


def test_only_what_is_shown_is_said_to_be_missing(runs_of):
    row = board(runs_of(some_run()), "accuracy", ["nll", "ood_msp"]).iloc[0]
    assert row["missing"] == "NLL: not run"


def test_columns_without_a_value_are_left_out_but_for_who_and_the_one_that_ranks(runs_of):
    run = some_run(scores=[])
    unknown = replace(run.submission, pruner=None, measured_sparsity=None, seed=None)
    table = board(runs_of(replace(run, submission=unknown)), "ece", ["nll"])
    assert list(table)[:5] == ["rank", "slug", "pruner", "sparsity", "ece"]
    assert not {"nll", "seed", "flags"} & set(table)
    assert table[["rank", "pruner", "sparsity", "ece"]].isna().all(axis=None)


def test_a_table_of_ratios_has_deviations_beside_the_means(runs_of):
    dense = [some_run(seed=1, accuracy=0.8), some_run(seed=2, accuracy=0.4)]
    snip = [some_run(pruner="snip", sparsity=0.9, seed=seed, accuracy=0.4) for seed in (1, 2)]
    runs = runs_of(*dense, *snip)
    table = board(runs, "size_bytes", ["accuracy"], relative(runs))
    columns = list(table)
    assert columns[:4] == ["rank", "pruner", "sparsity", "seeds"]
    assert columns[4:8] == ["size_bytes", "size_bytes_std", "accuracy", "accuracy_std"]
    assert table["rank"].tolist() == [1, 1]
    assert table["trust"].tolist() == ["self-reported"] * 2
    snip_row = table.set_index("pruner").loc["snip"]
    assert snip_row["accuracy"] == pytest.approx(0.75)
    assert snip_row["accuracy_std"] == pytest.approx(0.5 / 2**0.5)


def test_an_interval_that_may_go_on_among_runs_that_were_not_tested_is_open():
    table = pd.DataFrame({"rank": [1, 1, 3], "accuracy": [0.9, 0.9, 0.8]}, index=list("abc"))
    found = pd.DataFrame({"low": [1, 1], "high": [2, 1], "tie": [1, 1]}, index=list("ab"))
    assert with_intervals(table, "accuracy", found)["between"].tolist() == ["1–2+", "1", ""]
    assert with_intervals(table[:2], "accuracy", found)["between"].tolist() == ["1–2", "1"]


def test_ratios_without_dense_are_an_empty_table(runs_of):
    runs = runs_of(some_run(pruner="snip", sparsity=0.9))
    table = board(runs, "nll", [], relative(runs))
    assert isinstance(table, pd.DataFrame)
    assert table.empty
