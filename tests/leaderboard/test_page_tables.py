from dataclasses import replace

import pandas as pd
import pytest

from bench.ranking import HEADLINE, summary
from bench.store import open_store, save_run, score_frame
from leaderboard.tables import ranking_table
from tests.factories import some_run


@pytest.fixture
def runs_of(tmp_path):
    def runs_of(*runs):
        with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
            for run in runs:
                assert save_run(store, run)
            return summary(score_frame(store))

    return runs_of


def test_a_table_has_who_then_numbers_then_what_is_missing(runs_of):
    runs = runs_of(replace(some_run(), flags=("a-flag",)))
    columns = list(ranking_table(runs, "accuracy", to_dense=False))
    who = ["rank", "slug", "pruner", "sparsity", "architecture", "seed", "trust"]
    assert columns[:7] == who
    assert columns[-2:] == ["missing", "flags"]
    assert [c for c in HEADLINE if c in columns] == columns[7:-2]


def test_columns_without_a_value_are_left_out_but_for_those_of_the_chart(runs_of):
    run = some_run(scores=[])
    unknown = replace(run.submission, pruner=None, measured_sparsity=None, seed=None)
    table = ranking_table(runs_of(replace(run, submission=unknown)), "ece", to_dense=False)
    who = ["rank", "slug", "pruner", "sparsity", "architecture", "trust"]
    assert list(table) == [*who, "ece", "missing"]
    assert table[["rank", "pruner", "sparsity", "ece"]].isna().all(axis=None)


def test_a_table_of_ratios_has_deviations_beside_the_means(runs_of):
    dense = [some_run(seed=1, accuracy=0.8), some_run(seed=2, accuracy=0.4)]
    snip = [some_run(pruner="snip", sparsity=0.9, seed=seed, accuracy=0.4) for seed in (1, 2)]
    table = ranking_table(runs_of(*dense, *snip), "size_bytes", to_dense=True)
    columns = list(table)
    assert columns[:6] == ["rank", "pruner", "sparsity", "seeds", "architecture", "recipe"]
    assert columns[6:8] == ["accuracy", "accuracy_std"]
    assert table["rank"].tolist() == [1, 1]
    snip_row = table.set_index("pruner").loc["snip"]
    assert snip_row["accuracy"] == pytest.approx(0.75)
    assert snip_row["accuracy_std"] == pytest.approx(0.5 / 2**0.5)


def test_ratios_without_dense_are_an_empty_table(runs_of):
    table = ranking_table(runs_of(some_run(pruner="snip", sparsity=0.9)), "nll", to_dense=True)
    assert isinstance(table, pd.DataFrame)
    assert table.empty
