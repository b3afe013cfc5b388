import hashlib
import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from bench.protocol import PROTOCOLS
from bench.ranking import rank, relative
from bench.records import Run, Score
from tests.factories import fill, on_other_data, some_run, summary_of


def declared(run: Run, **fields) -> Run:
    """The run with other declared fields, and with weights of its own."""
    weights = hashlib.sha256(f"{run.submission.weights_sha256}{fields}".encode()).hexdigest()
    submission = replace(run.submission, **{"weights_sha256": weights, **fields})
    return replace(run, submission=submission)


def dense(seed: int, accuracy: float) -> Run:
    return some_run(seed=seed, accuracy=accuracy)


def snip(seed: int, accuracy: float) -> Run:
    return some_run(pruner="snip", sparsity=0.9, seed=seed, accuracy=accuracy)


def row_of(table: pd.DataFrame, pruner: str) -> pd.Series:
    rows = table[table["pruner"] == pruner]
    assert len(rows) == 1
    return rows.iloc[0]


ELSEWHERE = {
    "suite": lambda run: replace(run, suite="mnist"),
    "limit": lambda run: replace(run, limit=100),
    "protocol": lambda run: replace(run, protocol=PROTOCOLS["authors"].id),
    "protocol hash alone": lambda run: replace(
        run, protocol=replace(run.protocol, sha256="0" * 64)
    ),
    "images": on_other_data,
    "architecture": lambda run: declared(run, architecture="resnet18"),
    "recipe": lambda run: declared(run, recipe="digits-5"),
    "seed": lambda run: declared(run, seed=77),
}


def test_runs_of_other_sparsities_are_no_seeds_of_one_another(tmp_path):
    """Of strangers who declare no sparsity the measured one tells."""
    mine = [
        declared(snip(1, 0.4), declared_sparsity=None, measured_sparsity=s) for s in (0.5, 0.98)
    ]
    table = relative(summary_of(tmp_path, dense(1, 0.8), *mine))
    rows = table[table["pruner"] == "snip"]
    assert rows["declared_sparsity"].tolist() == rows["sparsity"].tolist() == [0.5, 0.98]
    assert rows["accuracy_std"].isna().all()


def test_the_same_seed_twice_is_one_draw(tmp_path):
    again = declared(snip(1, 0.2), slug="again")
    runs = [dense(1, 0.8), snip(1, 0.4), replace(again, started="2099-01-01T00:00:00+00:00")]
    alone = row_of(relative(summary_of(tmp_path, *runs)), "snip")
    assert (alone["seeds"], alone["accuracy"]) == (1, 0.5)
    assert math.isnan(alone["accuracy_std"])
    fill(f"sqlite:///{tmp_path / 'bench.db'}", dense(2, 0.8))
    both = row_of(relative(summary_of(tmp_path, snip(2, 0.4))), "snip")
    assert (both["seeds"], both["accuracy"], both["accuracy_std"]) == (2, 0.5, 0)


def test_each_run_is_divided_by_the_dense_run_of_its_own_seed(tmp_path):
    runs = [dense(1, 0.8), dense(2, 0.5), snip(1, 0.4), snip(2, 0.4)]
    row = row_of(relative(summary_of(tmp_path, *runs)), "snip")
    assert row["accuracy"] == pytest.approx((0.4 / 0.8 + 0.4 / 0.5) / 2, abs=1e-12)
    assert row["accuracy_std"] == pytest.approx(0.3 / math.sqrt(2), abs=1e-12)
    assert row["brier"] == pytest.approx((0.6 / 0.2 + 0.6 / 0.5) / 2, abs=1e-12)
    assert row["seeds"] == 2


def test_the_dense_run_of_most_trust_and_then_the_earliest_is_divided_by(tmp_path):
    official = replace(dense(1, 0.9), trust="official", started="2026-11-25T10:00:00+00:00")
    later = replace(official, started="2026-11-26T10:00:00+00:00")
    worse = [
        declared(replace(run, trust=trust), slug=f"mine-{trust}")
        for run, trust in ((dense(1, 0.2), "self-reported"), (dense(1, 0.3), "ci"))
    ]
    late = declared(replace(later, scores=dense(1, 0.4).scores), slug="late")
    table = relative(summary_of(tmp_path, *worse, late, official, snip(1, 0.45)))
    assert row_of(table, "snip")["accuracy"] == pytest.approx(0.5)


def test_of_logarithms_the_difference_is_taken(tmp_path):
    def bounded(run: Run, value: float) -> Run:
        score = Score(task="lipschitz", set="digits", metric="lip_upper_log10", value=value, n=1)
        return replace(run, scores=(score,))

    runs = [bounded(dense(1, 0.8), -0.5), bounded(snip(1, 0.4), 1.25)]
    assert row_of(relative(summary_of(tmp_path, *runs)), "snip")["lip_upper_log10"] == 1.75


def test_the_deviation_of_three_seeds_is_that_of_a_sample(tmp_path):
    runs = [dense(seed, 1.0) for seed in (1, 2, 3)]
    runs += [snip(1, 0.5), snip(2, 0.6), snip(3, 0.7)]
    row = row_of(relative(summary_of(tmp_path, *runs)), "snip")
    assert row["accuracy"] == pytest.approx(0.6, abs=1e-12)
    assert row["accuracy_std"] == pytest.approx(0.1, abs=1e-12)


def test_dense_itself_is_one_without_deviation(tmp_path):
    row = row_of(relative(summary_of(tmp_path, dense(1, 0.8), dense(2, 0.5))), "dense")
    assert (row["accuracy"], row["accuracy_std"], row["seeds"]) == (1, 0, 2)


def test_one_seed_has_a_ratio_and_no_deviation(tmp_path):
    row = row_of(relative(summary_of(tmp_path, dense(1, 0.8), snip(1, 0.4))), "snip")
    assert row["accuracy"] == pytest.approx(0.5, abs=1e-12)
    assert pd.isna(row["accuracy_std"])


def test_a_run_without_a_dense_run_of_its_seed_is_left_out(tmp_path):
    runs = [dense(1, 0.8), snip(1, 0.4), snip(2, 0.8), snip(3, 0.1)]
    row = row_of(relative(summary_of(tmp_path, *runs)), "snip")
    assert row["accuracy"] == pytest.approx(0.5, abs=1e-12)
    assert row["seeds"] == 1


def test_without_any_dense_run_there_are_no_rows_and_all_columns(tmp_path):
    table = relative(summary_of(tmp_path, snip(1, 0.4), snip(2, 0.4)), ["accuracy"])
    assert table.empty
    assert {"pruner", "seeds", "sparsity", "accuracy", "accuracy_std"} <= set(table.columns)


@pytest.mark.parametrize("what", ELSEWHERE)
def test_no_ratio_crosses(tmp_path, what):
    table = summary_of(tmp_path, ELSEWHERE[what](dense(1, 0.8)), snip(1, 0.4))
    assert relative(table)["pruner"].tolist() == ["dense"]


@pytest.mark.parametrize("what", ["suite", "limit", "protocol", "images", "architecture", "recipe"])
def test_the_same_seed_here_and_elsewhere_makes_two_pairs(tmp_path, what):
    move = ELSEWHERE[what]
    here = [dense(1, 0.8), snip(1, 0.4)]
    there = [move(dense(1, 0.5)), move(snip(1, 0.4))]
    table = relative(summary_of(tmp_path, *here, *there))
    found = sorted(table.loc[table["pruner"] == "snip", "accuracy"])
    assert found == pytest.approx([0.5, 0.8], abs=1e-12)


def test_runs_that_declare_no_seed_are_paired_with_none(tmp_path):
    unknown = [declared(run, seed=None) for run in (dense(1, 0.8), snip(1, 0.4))]
    table = relative(summary_of(tmp_path, *unknown, dense(2, 0.5), snip(2, 0.4)))
    assert table["seeds"].tolist() == [1, 1]
    assert row_of(table, "snip")["accuracy"] == pytest.approx(0.8, abs=1e-12)


@pytest.mark.parametrize(
    "other",
    [
        {"pruner": "crop"},
        {"moment": "after"},
        {"scope": "local"},
        {"structure": "structured"},
        {"declared_sparsity": 0.95},
        {"moment": None},
    ],
)
def test_different_ways_of_pruning_are_not_averaged(tmp_path, other):
    runs = [dense(1, 1.0), snip(1, 0.4), declared(snip(1, 0.8), **other)]
    table = relative(summary_of(tmp_path, *runs))
    found = sorted(table.loc[table["pruner"] != "dense", "accuracy"])
    assert found == pytest.approx([0.4, 0.8], abs=1e-12)


def test_the_sparsity_of_a_row_is_the_mean_of_the_measured(tmp_path):
    runs = [dense(1, 0.8), dense(2, 0.8)]
    runs += [declared(snip(1, 0.4), measured_sparsity=0.88)]
    runs += [declared(snip(2, 0.4), measured_sparsity=0.9)]
    row = row_of(relative(summary_of(tmp_path, *runs)), "snip")
    assert row["sparsity"] == pytest.approx(0.89, abs=1e-12)
    assert row["declared_sparsity"] == 0.9


def test_a_dense_zero_makes_no_ratio_and_no_infinity(tmp_path):
    row = row_of(relative(summary_of(tmp_path, dense(1, 0.0), snip(1, 0.4))), "snip")
    assert pd.isna(row["accuracy"])
    assert row["brier"] == pytest.approx(0.6, abs=1e-12)


def test_a_seed_that_failed_is_not_silently_left_out_of_the_mean(tmp_path):
    failed = [
        Score(task="clean", set="digits", metric="accuracy", value=None, n=0, reason="failed"),
        Score(task="clean", set="digits", metric="brier", value=0.4, n=9),
    ]
    broken = some_run(pruner="snip", sparsity=0.9, seed=2, scores=failed)
    runs = [dense(1, 0.8), dense(2, 0.8), dense(3, 0.8), snip(1, 0.4), broken, snip(3, 0.5)]
    row = row_of(relative(summary_of(tmp_path, *runs)), "snip")
    assert row["seeds"] == 3
    assert row[["accuracy", "accuracy_std"]].isna().all()
    assert row["brier"] == pytest.approx((0.6 / 0.2 + 0.4 / 0.2 + 0.5 / 0.2) / 3, abs=1e-9)


def test_only_the_columns_asked_for_are_divided(tmp_path):
    table = summary_of(tmp_path, dense(1, 0.8), snip(1, 0.4))
    names = relative(table, ["brier", "shift"]).columns.tolist()
    assert names[-6:] == ["seeds", "sparsity", "brier", "brier_std", "shift", "shift_std"]
    assert "accuracy" not in names


def test_ratios_are_ranked_by_the_direction_of_their_number(tmp_path):
    crop = some_run(pruner="crop", sparsity=0.9, seed=1, accuracy=0.6)
    ratios = relative(summary_of(tmp_path, dense(1, 0.8), snip(1, 0.4), crop))
    for by in ("accuracy", "brier"):
        ranked = rank(ratios, by)
        assert ranked["pruner"].tolist() == ["dense", "crop", "snip"]
        assert ranked["rank"].tolist() == [1, 2, 3]


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> pd.DataFrame:
    runs = [make(seed, 0.3 + 0.07 * seed) for make in (dense, snip) for seed in range(1, 5)]
    runs += [replace(run, limit=100) for run in runs[:6]] + [on_other_data(run) for run in runs]
    return summary_of(tmp_path_factory.mktemp("several"), *runs)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_order_of_the_runs_changes_no_ratio(several, data):
    order = data.draw(st.permutations(range(len(several))))
    assert_frame_equal(relative(several.iloc[order]), relative(several), rtol=0, atol=1e-12)
