"""Headline numbers and ranks; ratios to dense and comparisons have files of their own."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from bench.errors import BenchError
from bench.headline import HEADLINE, headline, higher_is_better
from bench.protocol import CORRUPTIONS, METRICS, PROTOCOLS
from bench.ranking import GROUP, RUN_COLUMNS, rank, summary
from bench.records import Run, Score
from bench.store import open_store, run_frame, save_run, score_frame
from tests.factories import on_other_data, some_run

ONE_BY_ONE = {"detector": "msp", "batch_size": 1}
NOTICED = {"task": "outliers", "metric": "auroc", **ONE_BY_ONE}
AUDIT = "fgsm-linf-standardised"


def score(task: str, metric: str, value: float | None, **conditions) -> Score:
    given = {"set": "digits", "n": 0 if value is None else 100, **conditions}
    return Score(task=task, metric=metric, value=value, **given)


def frame_of(place, *runs: Run) -> pd.DataFrame:
    with open_store(f"sqlite:///{place / 'bench.db'}") as store:
        for run in runs:
            assert save_run(store, run)
        return run_frame(store)


def only_row(place, *scores: Score) -> pd.Series:
    return summary(frame_of(place, some_run(scores=scores))).iloc[0]


def reasons(row: pd.Series) -> dict[str, str]:
    return dict(part.split(": ") for part in row["missing"].split("; "))


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> pd.DataFrame:
    """Scores of ten runs in two groups, some with equal and some without numbers."""
    runs = [some_run(seed=seed, accuracy=0.9 - 0.1 * (seed // 2)) for seed in range(4)]
    runs += [on_other_data(run) for run in runs]
    reasons = [("a", "not_applicable"), ("b", "not_run"), ("c", "failed"), ("d", "declined")]
    gone = [
        Score(set=name, value=None, n=0, reason=reason, **NOTICED) for name, reason in reasons[::-1]
    ]
    runs += [some_run(pruner="snip", scores=gone), some_run(pruner="crop", scores=gone[-2:])]
    return frame_of(tmp_path_factory.mktemp("many"), *runs)


# summary


def test_each_headline_number_is_read_from_its_own_scores(tmp_path):
    expected = {column: float(number) for number, column in enumerate(HEADLINE, start=1)}
    common, extra = CORRUPTIONS[:15], CORRUPTIONS[15:]
    expected |= {"fgsm_linf_worst": 1.5}  # the lowest of 2, 99 and 1.5
    expected |= {"shift_15": 0.5, "shift": (15 * 0.5 + 4 * 0.69) / 19}
    beyond = {"task": "out-of-domain", **ONE_BY_ONE, "metric": "auroc"}
    fog = {"corruption": "fog", "severity": 5}
    attacked = [
        ("fgsm_linf", "fgsm-linf", 8 / 255),
        ("fgsm_linf_worst", "fgsm-linf-margin", 8 / 255),
        ("fgsm_l2", "fgsm-l2", 8 / 255),
        ("fgsm_l2_half", "fgsm-l2", 0.5),
    ]
    plain = [
        ("clean", ("accuracy", "brier", "brier_l2", "nll", "ece")),
        ("lipschitz", ("lip_product_log10", "lip_upper_log10", "lip_lower")),
        ("cost", ("latency_ratio", "macs_sparse", "size_bytes")),
    ]
    wanted = [score(task, name, expected[name]) for task, names in plain for name in names]
    wanted += [
        score("adversarial", "accuracy", expected[column], attack=attack, epsilon=epsilon)
        for column, attack, epsilon in attacked
    ]
    wanted += [
        score("shift", "accuracy", value, corruption=corruption, severity=3)
        for value, names in ((0.5, common), (0.69, extra))
        for corruption in names
    ]
    wanted += [
        score("shift", "auroc", expected["shift_auroc"], **fog, **ONE_BY_ONE),
        score(value=expected["ood_msp"], **NOTICED),
        score(value=expected["ood_gradnorm"], **{**NOTICED, "detector": "gradnorm"}),
        score(value=expected["ood_sensnorm"], **{**NOTICED, "detector": "sensnorm"}),
        score(value=expected["out_of_domain_msp"], **beyond),
        score(value=expected["out_of_domain_sensnorm"], **{**beyond, "detector": "sensnorm"}),
    ]
    others = [
        score("adversarial", "accuracy", 99, attack=AUDIT, epsilon=8 / 255),
        score("adversarial", "accuracy", 0, attack="fgsm-linf", epsilon=0.5),
        score("adversarial", "auroc", 99, attack="fgsm-linf", epsilon=8 / 255),
        score("shift", "aupr_id", 99, **fog, **ONE_BY_ONE),
        score("shift", "auroc", 99, **fog, detector="msp", batch_size=5),
        score("shift", "auroc", 99, **fog, detector="gradnorm", batch_size=1),
        score(value=99, **{**NOTICED, "batch_size": 2}),
        score(value=99, **{**NOTICED, "metric": "aupr_outlier"}),
        score(value=99, **{**beyond, "detector": "gradnorm"}),
        score("cost", "macs_dense", 99),
    ]
    row = only_row(tmp_path, *wanted, *others)
    del expected["likelihood_auroc"]  # of flows, see tests/test_likelihood.py
    assert row[list(expected)].to_dict() == pytest.approx(expected, abs=1e-12)
    assert reasons(row) == {"likelihood_auroc": "not_applicable"}


def test_a_mean_is_over_the_sets_that_were_measured(tmp_path):
    row = only_row(
        tmp_path,
        score(value=0.6, **NOTICED, set="patches"),
        score(value=0.9, **NOTICED, set="svhn"),
        score(value=None, **NOTICED, set="kmnist", reason="not_run"),
        score(value=None, **NOTICED, set="omniglot", reason="not_applicable"),
    )
    assert row["ood_msp"] == pytest.approx(0.75, abs=1e-12)
    assert "ood_msp" not in reasons(row)


def test_the_worst_loss_is_none_of_those_that_were_tried_if_not_all_were(tmp_path):
    """The preset `detectors` attacks by one loss."""
    attacked = {"task": "adversarial", "metric": "accuracy", "epsilon": 8 / 255}
    row = only_row(tmp_path, score(value=0.9, **attacked, attack="fgsm-linf"))
    assert row["fgsm_linf"] == 0.9
    assert reasons(row)["fgsm_linf_worst"] == "not_run"


@pytest.mark.parametrize("reason", ["failed", "declined"])
def test_there_is_no_mean_where_a_set_broke_and_the_reason_is_kept(tmp_path, reason):
    row = only_row(
        tmp_path,
        score(value=None, **NOTICED, set="kmnist", reason="not_run"),
        score(value=0.6, **NOTICED, set="patches"),
        score(value=None, **NOTICED, set="svhn", reason=reason),
        score("clean", "accuracy", 0.8),
    )
    assert pd.isna(row["ood_msp"])
    assert reasons(row)["ood_msp"] == reason
    assert row["accuracy"] == 0.8


@pytest.mark.parametrize("reason", ["not_applicable", "not_run"])
def test_there_is_no_mean_where_every_set_was_passed_over(tmp_path, reason):
    row = only_row(tmp_path, score(value=None, **NOTICED, reason=reason))
    assert pd.isna(row["ood_msp"])
    assert reasons(row)["ood_msp"] == reason


def test_a_run_without_scores_has_a_row_and_every_number_is_missing(tmp_path):
    row = only_row(tmp_path)
    assert row["slug"] == "dense"
    assert row[list(HEADLINE)].isna().all()
    expected = dict.fromkeys(HEADLINE, "not_run") | {"likelihood_auroc": "not_applicable"}
    assert reasons(row) == expected


def test_a_broken_run_takes_no_number_from_the_others(tmp_path):
    broken = [score("clean", "accuracy", None, reason="failed")]
    table = summary(frame_of(tmp_path, some_run(seed=1), some_run(seed=2, scores=broken)))
    by_seed = table.set_index("seed")
    assert by_seed.loc[1, "accuracy"] == 0.9
    assert pd.isna(by_seed.loc[2, "accuracy"])
    assert "accuracy" not in reasons(by_seed.loc[1])


def test_the_row_of_a_run_says_who_was_scored_on_what(tmp_path):
    run = replace(some_run(pruner="snip", sparsity=0.9), limit=100, flags=("a-flag", "b-flag"))
    table = summary(frame_of(tmp_path, run))
    assert table.index.tolist() == [run.run_id]
    assert list(table.columns) == [*RUN_COLUMNS, *GROUP, *HEADLINE, "missing"]
    row = table.iloc[0]
    assert row[["slug", "pruner", "sparsity", "seed"]].tolist() == ["snip-0.9", "snip", 0.9, 1234]
    assert row[["suite", "limit", "preset"]].tolist() == ["digits", 100, "standard"]
    assert row["protocol"] == run.protocol.sha256
    assert row["flags"] == "a-flag b-flag"


def test_an_empty_store_has_an_empty_summary_and_an_empty_ranking(tmp_path):
    table = summary(frame_of(tmp_path))
    assert table.empty
    assert list(rank(table).columns) == ["rank", *table.columns]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_order_of_the_scores_changes_no_number(data):
    scores = some_run().scores
    assert headline(data.draw(st.permutations(scores))) == headline(scores)


# rank


def test_the_most_accurate_run_is_first(tmp_path):
    accuracies = {1: 0.5, 2: 0.9, 3: 0.7}
    frame = frame_of(tmp_path, *(some_run(seed=s, accuracy=a) for s, a in accuracies.items()))
    ranked = rank(summary(frame))
    assert ranked["rank"].tolist() == [1, 2, 3]
    assert ranked["seed"].tolist() == [2, 3, 1]


@pytest.mark.parametrize("column", HEADLINE)
def test_every_headline_column_ranks_the_end_that_its_metric_calls_better(many, column):
    table = summary(many).iloc[:2].assign(**{column: [1.0, 2.0], **dict.fromkeys(GROUP, "g")})
    up = METRICS[HEADLINE[column].metric].higher_is_better
    assert up is higher_is_better(column)
    assert rank(table, column)[column].tolist() == ([2, 1] if up else [1, 2])


def test_low_is_better_for_errors_and_costs_and_high_for_the_rest():
    low = {"brier", "brier_l2", "nll", "ece", "lip_product_log10", "lip_upper_log10", "lip_lower"}
    low |= {"latency_ratio", "macs_sparse", "size_bytes"}
    assert {column for column in HEADLINE if not higher_is_better(column)} == low


def test_equal_values_share_the_better_rank_and_the_next_rank_is_left_out(tmp_path):
    accuracies = {1: 0.7, 2: 0.9, 3: 0.7, 4: 0.6}
    frame = frame_of(tmp_path, *(some_run(seed=s, accuracy=a) for s, a in accuracies.items()))
    ranked = rank(summary(frame)).set_index("seed")["rank"]
    assert ranked.to_dict() == {2: 1, 1: 2, 3: 2, 4: 4}


@pytest.mark.parametrize("by", ["accuracy", "brier"])
def test_a_run_without_a_value_comes_last_and_has_no_rank(tmp_path, by):
    gone = [score("clean", by, None, reason="failed")]
    runs = [some_run(seed=1, scores=gone), some_run(seed=2), some_run(seed=3, accuracy=0.1)]
    ranked = rank(summary(frame_of(tmp_path, *runs)), by)
    assert ranked["seed"].tolist() == [2, 3, 1]
    assert ranked["rank"].tolist() == [1, 2, pd.NA]


def test_ranks_start_anew_in_each_suite_limit_protocol_and_set_of_images(tmp_path):
    best, next_best = some_run(seed=1, accuracy=0.9), some_run(seed=2, accuracy=0.8)
    alone = [
        replace(next_best, suite="mnist"),
        replace(next_best, limit=100),
        replace(next_best, limit=200),
        replace(next_best, protocol=PROTOCOLS["authors"].id),
        on_other_data(next_best),
    ]
    ranks = rank(summary(frame_of(tmp_path, best, next_best, *alone)))["rank"].to_dict()
    assert ranks == {best.run_id: 1, next_best.run_id: 2} | {run.run_id: 1 for run in alone}


def test_ranking_adds_a_first_column_and_changes_no_other(many):
    table = summary(many)
    ranked = rank(table, "nll")
    assert list(ranked.columns) == ["rank", *table.columns]
    assert_frame_equal(ranked.drop(columns="rank").sort_index(), table)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_the_order_of_the_rows_changes_no_rank(many, data):
    table = summary(many)
    order = data.draw(st.permutations(range(len(table))))
    by = data.draw(st.sampled_from(["accuracy", "brier", "ood_msp"]))
    assert rank(table.iloc[order], by)["rank"].to_dict() == rank(table, by)["rank"].to_dict()


@pytest.mark.parametrize("by", ["beauty", "slug", "rank", ""])
def test_a_column_that_cannot_rank_is_refused_with_those_that_can(many, by):
    with pytest.raises(BenchError, match=r"E-BAD-VALUE.*'accuracy'.*'size_bytes'") as error:
        rank(summary(many), by)
    assert f"got {by!r}" in error.value.message


@pytest.mark.parametrize("column", HEADLINE)
def test_a_column_reads_the_same_scores_from_a_frame_as_one_by_one(column, tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        assert save_run(store, some_run())
        frame = score_frame(store)
    chosen = [score.set for score in some_run().scores if HEADLINE[column].reads(score)]
    assert HEADLINE[column].rows(frame)["set"].tolist() == chosen
