import random
from dataclasses import replace

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.protocol import PROTOCOLS
from bench.ranking import compare
from bench.records import CONDITIONS, Run, Score
from bench.store import load_run, open_store, save_run
from tests.factories import on_other_data, some_run

KEYS = ["task", "set", *CONDITIONS, "metric"]


def score(metric: str, value: float | None, *, task: str = "clean", **conditions) -> Score:
    return Score(task=task, metric=metric, value=value, n=9, **{"set": "digits", **conditions})


def pair(first: list[Score], second: list[Score]) -> tuple[Run, Run]:
    return some_run(seed=1, scores=first), some_run(seed=2, scores=second)


def verdicts(first: list[Score], second: list[Score]) -> dict[str, str]:
    both = compare(*pair(first, second))
    return dict(zip(both["metric"], both["better"], strict=True))


def test_the_difference_is_the_second_minus_the_first():
    row = compare(*pair([score("accuracy", 0.5)], [score("accuracy", 0.75)])).iloc[0]
    assert row[["first", "second", "difference", "better"]].tolist() == [0.5, 0.75, 0.25, "second"]


def test_higher_wins_or_loses_by_the_metric():
    names = ("accuracy", "auroc", "nll", "latency_ratio")
    low, high = ([score(name, value) for name in names] for value in (0.2, 0.8))
    up = {"accuracy": "second", "auroc": "second", "nll": "first", "latency_ratio": "first"}
    down = {"accuracy": "first", "auroc": "first", "nll": "second", "latency_ratio": "second"}
    assert verdicts(low, high) == up
    assert verdicts(high, low) == down


def test_equal_values_are_equal_whatever_the_direction():
    scores = [score("accuracy", 0.5), score("brier", 0.5)]
    assert verdicts(scores, scores) == {"accuracy": "equal", "brier": "equal"}


def test_a_metric_without_a_better_end_has_no_winner():
    first, second = ([score("layer_sparsity", v, task="cost", set="fc1")] for v in (0.5, 0.9))
    assert verdicts(first, second) == {"layer_sparsity": ""}
    assert verdicts(first, first) == {"layer_sparsity": ""}


def test_a_missing_value_has_no_difference_and_no_winner():
    gone = score("accuracy", None, reason="failed")
    row = compare(*pair([gone], [score("accuracy", 0.9)])).iloc[0]
    assert row["second"] == 0.9
    assert row[["first", "difference"]].isna().all()
    assert row["better"] == ""


def test_scores_meet_by_all_their_conditions_and_not_by_their_place():
    conditions = [
        {},
        {"set": "kmnist"},
        {"attack": "fgsm-l2", "epsilon": 8 / 255},
        {"attack": "fgsm-l2", "epsilon": 0.5},
        {"attack": "fgsm-linf", "epsilon": 0.5},
        {"corruption": "fog", "severity": 1},
        {"corruption": "fog", "severity": 2},
        {"corruption": "snow", "severity": 2},
        {"detector": "msp", "batch_size": 1},
        {"detector": "msp", "batch_size": 100},
        {"detector": "gradnorm", "batch_size": 100},
        {"task": "outliers", "detector": "gradnorm", "batch_size": 100},
    ]
    first = [score("accuracy", place / 100, **given) for place, given in enumerate(conditions)]
    second = [replace(one, value=one.value + 0.5) for one in first]
    random.Random(0).shuffle(second)
    both = compare(*pair(first, second))
    assert len(both) == len(conditions)
    assert both["difference"].tolist() == pytest.approx([0.5] * len(conditions), abs=1e-12)


def test_a_score_that_only_one_run_has_is_kept_beside_a_gap():
    attacked = score("accuracy", 0.3, task="adversarial", attack="fgsm-l2", epsilon=0.5)
    both = compare(*pair([score("nll", 0.2)], [score("nll", 0.1), attacked])).set_index("task")
    assert both.loc["clean", "better"] == "second"
    assert both.loc["adversarial", "epsilon"] == 0.5
    assert both.loc["adversarial", ["first", "difference"]].isna().all()
    assert both.loc["adversarial", "second"] == 0.3


def test_runs_of_different_tasks_have_nothing_but_gaps():
    shifted = score("accuracy", 0.3, task="shift", corruption="fog", severity=3)
    both = compare(*pair([score("accuracy", 0.9)], [shifted]))
    assert len(both) == 2
    assert both["difference"].isna().all()
    assert compare(*pair([], [shifted]))["second"].tolist() == [0.3]
    assert compare(*pair([], [])).empty


def test_two_stored_runs_are_compared_score_by_score(tmp_path):
    runs = some_run(accuracy=0.9), some_run(pruner="snip", sparsity=0.9, accuracy=0.7)
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        for run in runs:
            save_run(store, run)
        both = compare(*(load_run(store, run.run_id) for run in runs))
    assert list(both.columns) == [*KEYS, "first", "second", "difference", "better"]
    assert len(both) == len(runs[0].scores)
    clean = both[both["task"] == "clean"].set_index("metric")
    assert clean["difference"].to_dict() == pytest.approx({"accuracy": -0.2, "brier": 0.2})
    assert clean["better"].to_dict() == {"accuracy": "first", "brier": "first"}
    assert both.loc[both["metric"] == "size_bytes", "better"].tolist() == ["equal"]
    not_measured = both[both["set"] == "kmnist"]
    assert not_measured["better"].tolist() == [""]
    assert sorted(both.loc[both["task"] == "shift", "severity"].unique()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("suite", replace(some_run(seed=2), suite="mnist")),
        ("limit", replace(some_run(seed=2), limit=100)),
        ("protocol", replace(some_run(seed=2), protocol=PROTOCOLS["authors"].id)),
        ("data", on_other_data(some_run(seed=2))),
        ("data", replace(some_run(seed=2), data={"digits": "ab" * 32})),
    ],
)
def test_runs_of_two_groups_are_refused_with_what_differs(what, other):
    run = some_run(seed=1)
    for first, second in ((run, other), (other, run)):
        with pytest.raises(BenchError, match=rf"E-NOT-COMPARABLE.*: {what} differs") as error:
            compare(first, second)
        assert run.run_id in error.value.message
        assert other.run_id in error.value.message


def test_runs_differ_in_everything_else_and_are_still_compared():
    run = some_run(seed=1)
    other = replace(
        some_run(pruner="snip", sparsity=0.9, seed=2),
        environment=replace(run.environment, device="cuda", batch_size=1),
        data=dict(reversed(run.data.items())),
        flags=("a-flag",),
    )
    both = compare(run, other)
    assert (both.loc[both["difference"].notna(), "better"] != "").all()
    assert pd.notna(both["difference"]).sum() == len(run.scores) - 6
