from dataclasses import replace
from functools import partial

import pandas as pd
import pytest

from bench.ranking import ranks, relative
from leaderboard.views.board import board
from leaderboard.views.compared import families_of
from tests.factories import some_run, summary_of


@pytest.fixture
def runs_of(tmp_path):
    return partial(summary_of, tmp_path)


def ranked(rows, columns):
    return board(rows, ranks(rows, columns[0]), columns)


def test_a_table_has_who_then_numbers_then_what_else_is_known(runs_of):
    runs = runs_of(replace(some_run(), flags=("a-flag",)))
    columns = list(ranked(runs, ["shift", "accuracy", "nll"]))
    assert columns[:6] == ["rank", "slug", "pruner", "sparsity", "shift", "accuracy"]
    assert columns[6:8] == ["architecture", "moment"]
    assert columns[-2:] == ["missing", "flags"]


def test_only_what_is_shown_is_said_to_be_missing(runs_of):
    row = ranked(runs_of(some_run()), ["accuracy", "nll", "ood_msp"]).iloc[0]
    assert row["missing"] == "NLL: not run"


def test_columns_without_a_value_are_left_out_but_for_who_and_the_one_that_ranks(runs_of):
    run = some_run(scores=[])
    unknown = replace(run.submission, pruner=None, measured_sparsity=None, seed=None)
    table = ranked(runs_of(replace(run, submission=unknown)), ["ece", "nll"])
    assert list(table)[:5] == ["rank", "slug", "pruner", "sparsity", "ece"]
    assert not {"nll", "seed", "flags"} & set(table)
    assert table[["rank", "pruner", "sparsity", "ece"]].isna().all(axis=None)


def test_a_table_of_ratios_has_deviations_beside_the_means(runs_of):
    dense = [some_run(seed=1, accuracy=0.8), some_run(seed=2, accuracy=0.4)]
    snip = [some_run(pruner="snip", sparsity=0.9, seed=seed, accuracy=0.4) for seed in (1, 2)]
    runs = runs_of(*dense, *snip)
    table = ranked(relative(runs), ["size_bytes", "accuracy"])
    columns = list(table)
    assert columns[:4] == ["rank", "pruner", "sparsity", "seeds"]
    assert columns[4:8] == ["size_bytes", "size_bytes_std", "accuracy", "accuracy_std"]
    assert table["rank"].tolist() == [1, 1]
    assert table["trust"].tolist() == ["self-reported"] * 2
    snip_row = table.set_index("pruner").loc["snip"]
    assert snip_row["accuracy"] == pytest.approx(0.75)
    assert snip_row["accuracy_std"] == pytest.approx(0.5 / 2**0.5)


def test_a_part_of_the_ranking_is_that_part_of_the_whole(runs_of):
    made = [some_run(seed=seed, accuracy=seed / 10) for seed in range(1, 6)]
    flagged = replace(made[0], flags=("a-flag",))
    runs = runs_of(flagged, *made[1:])
    whole, order = ranked(runs, ["accuracy", "nll"]), ranks(runs)
    assert whole["accuracy"].tolist() == [0.5, 0.4, 0.3, 0.2, 0.1]
    for part in (slice(2), slice(2, 4), slice(4, 6)):
        shown = board(runs, order.iloc[part], ["accuracy", "nll"])
        pd.testing.assert_frame_equal(shown, whole.iloc[part])
    assert shown["flags"].tolist() == ["a-flag"]


def test_an_interval_that_may_go_on_among_runs_that_were_not_tested_is_open(runs_of):
    runs = runs_of(*(some_run(seed=seed, accuracy=seed / 10) for seed in (9, 8, 7)))
    order = ranks(runs)
    found = pd.DataFrame({"low": [1, 1], "high": [2, 1], "tie": [1, 1]}, order.index[:2])
    table = board(runs, order, ["accuracy"], found)
    assert list(table)[:3] == ["rank", "tie", "between"]
    assert table["between"].tolist() == ["1–2+", "1", ""]
    assert table["tie"].tolist()[:2] == [1, 1]
    two = runs.loc[order.index[:2]]
    assert board(two, ranks(two), ["accuracy"], found)["between"].tolist() == ["1–2", "1"]


def test_of_pruned_runs_without_dense_nothing_is_ranked(runs_of):
    runs = runs_of(some_run(pruner="snip", sparsity=0.9))
    assert families_of(runs, relative(runs)).empty
