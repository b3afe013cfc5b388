"""Intervals of ranks and ties, from answers made by hand and from those of a scored network."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm

from bench.answers import follows, needed, sample
from bench.errors import BenchError
from bench.headline import HEADLINE
from bench.paired import accuracy_error, auroc_error, holm
from bench.protocol import CORRUPTIONS, METRICS
from bench.ranking import GROUP, summary
from bench.standings import EVERY_IMAGE, EXACT, every_pair, standings
from bench.store import (
    TRUTH,
    Outcome,
    load_outcomes,
    open_store,
    run_frame,
    save_run,
    true_outcome,
)

N = 400
LABELS = np.random.default_rng(9).integers(0, 10, N)
FOLLOWING = tuple(filter(follows, HEADLINE))
OF_CLASSES = [column for column in FOLLOWING if HEADLINE[column].task != "likelihood"]
LINF = "fgsm-linf@0.0314"


def answer(skill: float, seed: int, n: int = N, labels: np.ndarray = LABELS) -> Outcome:
    """Right where the image is easy enough for the skill; sure where it is easy."""
    hard = np.random.default_rng(1).random(n)
    own = np.random.default_rng(100 + seed).random(n)
    right = 0.8 * hard + 0.2 * own < skill
    msp = (1 - 0.5 * hard - 0.2 * own).astype(np.float32)
    return Outcome(np.where(right, labels[:n], (labels[:n] + 1) % 10), msp)


def answers(skill: float, seed: int) -> dict[str, Outcome]:
    """Of one run to every kind of set."""
    shifted = [(c, s) for c in (*CORRUPTIONS[:2], CORRUPTIONS[-1]) for s in (1, 5)]
    sets = {f"{name}/{severity}": answer(skill - severity / 20, seed) for name, severity in shifted}
    attacked = ("fgsm-linf-standardised", "fgsm-linf", "fgsm-linf-margin", "fgsm-l2")
    for place, name in enumerate(attacked):
        sets[f"{name}@0.0314"] = answer(skill / 2 + place / 50, seed + place)
    sets["fgsm-l2@0.5000"] = answer(skill / 3, seed)
    for place, name in enumerate(("kmnist", "svhn-train", "kmnist×255")):
        own = np.random.default_rng(seed + place).random(150 + 50 * place)
        sets[name] = Outcome(np.zeros(len(own), int), (own ** (1 + skill)).astype(np.float32))
    return {"digits": answer(skill, seed), TRUTH: true_outcome(LABELS), **sets}


def table(values: dict[str, float], column: str) -> pd.DataFrame:
    """Rows of one group with a single number."""
    group = dict(zip(GROUP, ("digits", np.nan, "hash", "{}"), strict=True))
    rows = [{**group, **dict.fromkeys(HEADLINE, np.nan), column: v} for v in values.values()]
    return pd.DataFrame(rows, index=pd.Index(list(values), name="run_id"))


def group(column: str, stored: dict[str, dict[str, Outcome]]) -> pd.DataFrame:
    """The same with the numbers that the answers give."""
    truth = true_outcome(LABELS)
    found = {run: sample(column, "digits", kept, truth) for run, kept in stored.items()}
    return table({run: one.value for run, one in found.items()}, column)


@pytest.fixture(scope="module")
def stored() -> dict[str, dict[str, Outcome]]:
    skills = {"best": 0.9, "twin": 0.895, "next": 0.75, "last": 0.5}
    return {name: answers(skill, seed) for seed, (name, skill) in enumerate(skills.items())}


def score(run: str, value: float, n: int, stderr: float | None, metric: str, **conditions):
    given = {"task": "clean", "set": "digits", "detector": None, "batch_size": None, "attack": None}
    given |= {"epsilon": np.nan, "corruption": None, "run_id": run, "metric": metric}
    return {**given, "value": value, "n": n, "stderr": stderr, **conditions}


# which answers


def test_every_number_follows_from_answers_or_errors_or_is_exact_or_has_no_test():
    known = {*FOLLOWING, *EXACT, *EVERY_IMAGE}
    rest = {"ood_sensnorm", "out_of_domain_sensnorm", "brier", "brier_l2", "nll", "ece"}
    assert set(HEADLINE) == known | rest | {"latency_ratio"}
    accuracies = ["accuracy", "fgsm_linf", "fgsm_linf_worst", "fgsm_l2", "fgsm_l2_half"]
    areas = ["shift_auroc", "ood_msp", "out_of_domain_msp", "likelihood_auroc"]
    assert list(FOLLOWING) == [*accuracies, "shift", "shift_15", *areas]


@pytest.mark.parametrize("column", OF_CLASSES)
def test_the_answers_of_a_scored_network_give_its_headline_number(column, scored, tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, *scored)
        runs = summary(run_frame(store))
        kept = load_outcomes(store, scored.run.run_id, needed(column, "digits"))
    assert kept.keys() == set(filter(needed(column, "digits"), scored.outcomes))
    assert len(kept) < len(scored.outcomes)
    found = sample(column, "digits", kept, None)
    assert found.value == pytest.approx(runs[column].item(), abs=1e-12)
    assert sample(column, "digits", scored.outcomes, None).value == found.value


def test_no_answers_are_loaded_for_a_number_that_does_not_follow_from_them(stored):
    for column in set(HEADLINE) - set(FOLLOWING):
        assert not any(map(needed(column, "digits"), stored["best"]))
        assert sample(column, "digits", stored["best"], None) is None


def test_the_worst_of_three_attacks_is_that_of_each_run(stored):
    other = {**stored["best"], LINF: answer(0.1, 3)}
    for kept, lowest in ((stored["best"], "fgsm-linf-standardised@0.0314"), (other, LINF)):
        found = sample("fgsm_linf_worst", "digits", kept, None)
        assert found.test == "McNemar"
        assert found.value == (kept[lowest].predicted == LABELS).mean()
        assert found.layout == (N,)


# standings


def test_ranks_and_ties_follow_from_the_tests_of_all_pairs(stored):
    runs = group("accuracy", stored)
    found = standings(runs, "accuracy", stored.__getitem__)
    assert found["low"].tolist() == [1, 1, 3, 4]
    assert found["high"].tolist() == [2, 2, 3, 4]
    assert found["tie"].tolist() == [1, 1, 3, 4]
    assert found["test"].tolist() == ["McNemar"] * 4
    assert found.index.equals(runs.index)
    assert list(found.columns) == ["low", "high", "tie", "test"]
    turned = standings(runs.iloc[::-1], "accuracy", stored.__getitem__)
    pd.testing.assert_frame_equal(turned.loc[runs.index], found)


@pytest.mark.parametrize("column", FOLLOWING)
def test_every_number_by_answers_is_tested_by_them(column, stored):
    found = standings(group(column, stored), column, stored.__getitem__)
    test = (
        "DeLong"
        if HEADLINE[column].metric == "auroc"
        else "paired"
        if "shift" in column
        else "McNemar"
    )
    assert found["test"].tolist() == [test] * 4
    if HEADLINE[column].metric == "accuracy":
        assert found.loc["last", "low"] > 1
        assert found["tie"].min() == 1


def test_the_level_holds_for_all_pairs_together(stored):
    first, second = stored["best"]["digits"].predicted, np.array(stored["best"]["digits"].predicted)
    wrong = np.flatnonzero(second == LABELS)[:7]
    second[wrong] = (LABELS[wrong] + 1) % 10
    p = binomtest(7, 7).pvalue
    assert p < 0.05 < p * 6
    kept = {"one": first, "same": first, "also": first, "less": second}
    kept = {
        run: {"digits": Outcome(predicted, np.ones(N, np.float32)), TRUTH: true_outcome(LABELS)}
        for run, predicted in kept.items()
    }
    runs = group("accuracy", kept)
    assert standings(runs, "accuracy", kept.__getitem__)["high"].tolist() == [4] * 4
    two = standings(runs.loc[["one", "less"]], "accuracy", kept.__getitem__)
    assert two["high"].tolist() == [1, 2]


def test_labels_of_another_run_serve_the_runs_that_keep_none(stored):
    old = {run: {k: o for k, o in kept.items() if k != TRUTH} for run, kept in stored.items()}
    runs, mixed = group("accuracy", stored), {**old, "last": stored["last"]}
    expected = standings(runs, "accuracy", stored.__getitem__)
    pd.testing.assert_frame_equal(standings(runs, "accuracy", mixed.__getitem__), expected)
    assert standings(runs, "accuracy", old.__getitem__)["test"].tolist() == ["none"] * 4


def test_answers_that_do_not_give_the_number_are_not_used(stored):
    runs = group("accuracy", stored)
    runs.loc["twin", "accuracy"] += 0.01
    frame = pd.DataFrame([score(run, 0.5, N, None, "accuracy") for run in runs.index])
    found = standings(runs, "accuracy", stored.__getitem__, frame)
    assert found["test"].tolist() == ["McNemar", "unpaired", "McNemar", "McNemar"]


def test_a_pair_of_which_one_has_no_answers_is_tested_by_numbers(stored):
    runs, kept = group("accuracy", stored), {**stored, "twin": {}}
    frame = pd.DataFrame([score("twin", 0.9, N, None, "accuracy")])
    pairs, test = every_pair(runs, "accuracy", kept.__getitem__, frame)
    assert test == ["McNemar", "unpaired", "McNemar", "McNemar"]
    whole, _ = every_pair(runs, "accuracy", stored.__getitem__)
    assert pairs.p[0, 2] == whole.p[0, 2]
    best, twin = runs.loc[["best", "twin"], "accuracy"]
    own = (stored["best"]["digits"].predicted == LABELS).std(ddof=1) / np.sqrt(N)
    stderr = np.hypot(own, accuracy_error(twin, N))
    assert pairs.stderr[0, 1] == pytest.approx(stderr)
    assert pairs.p[0, 1] == pytest.approx(2 * norm.sf(abs(best - twin) / stderr))
    assert pairs.stderr[0, 1] > whole.stderr[0, 1]


def test_without_scores_a_run_without_answers_has_no_rank_and_widens_those_of_the_others(stored):
    kept = {**stored, "next": {}}
    found = standings(group("accuracy", stored), "accuracy", kept.__getitem__)
    assert found.loc["next"].tolist()[3] == "none"
    assert found.loc["next", ["low", "high", "tie"]].isna().all()
    assert found["high"].dropna().tolist() == [3, 3, 4]
    assert found["tie"].dropna().tolist() == [1, 1, 3]


def test_areas_without_answers_have_their_stored_error_or_that_of_their_counts():
    noticed = {"task": "outliers", "detector": "gradnorm", "batch_size": 1}
    rows = [score(run, 0.9, 100, None, "accuracy") for run in ("a", "b")]
    rows += [score("a", 0.8, 300, 0.02, "auroc", **noticed, set="x")]
    rows += [score("a", 0.9, 300, 0.01, "auroc", **noticed, set="y")]
    rows += [score("b", 0.6, 300, None, "auroc", **noticed, set="x")]
    runs = table({"a": 0.85, "b": 0.6}, "ood_gradnorm")
    pairs, test = every_pair(runs, "ood_gradnorm", dict, pd.DataFrame(rows))
    assert test == ["unpaired"] * 2
    assert pairs.stderr[0, 1] == pytest.approx(np.hypot(0.015, auroc_error(0.6, 100, 200)))


def test_groups_of_images_without_a_stored_error_have_no_test():
    row = {"task": "outliers", "detector": "sensnorm", "batch_size": 1}
    rows = [score("a", 0.9, 100, None, "accuracy"), score("a", 0.8, 300, None, "auroc", **row)]
    found = standings(table({"a": 0.8}, "ood_sensnorm"), "ood_sensnorm", dict, pd.DataFrame(rows))
    assert found["test"].tolist() == ["none"]


@pytest.mark.parametrize("column", EXACT)
def test_a_number_without_sampling_error_is_as_it_is(column):
    found = standings(table({"a": 2.0, "b": 1.0, "c": 2.0, "d": 3.0}, column), column, dict)
    assert found["test"].tolist() == ["exact"] * 4
    assert found["tie"].tolist() == [2, 1, 2, 4]
    assert found["low"].tolist() == [2, 1, 2, 4]
    assert found["high"].tolist() == [3, 1, 3, 4]
    assert METRICS[HEADLINE[column].metric].higher_is_better is False


def test_a_run_without_a_value_has_no_standing_and_no_run_has_none():
    found = standings(table({"a": 2.0, "b": np.nan}, "size_bytes"), "size_bytes", dict)
    assert found["tie"].tolist() == [1, pd.NA]
    assert found["high"].tolist() == [1, pd.NA]
    assert found["test"].tolist() == ["exact", "none"]
    assert standings(
        table({}, "accuracy").reindex(columns=[*GROUP, *HEADLINE]), "accuracy", dict
    ).empty


def test_runs_of_two_groups_are_refused():
    runs = table({"a": 0.5, "b": 0.6}, "accuracy")
    runs.loc["b", "limit"] = 100
    with pytest.raises(BenchError, match="E-NOT-COMPARABLE"):
        standings(runs, "accuracy", dict)


def test_a_board_of_forty_runs_on_ten_thousand_images_takes_seconds():
    chance = np.random.default_rng(0)
    kept = {
        f"run{i}": {
            key: Outcome(np.zeros(10_000, int), chance.random(10_000, np.float32))
            for key in ("digits", "a", "b", "c", "d")
        }
        for i in range(40)
    }
    runs = table(
        {run: sample("ood_msp", "digits", one, None).value for run, one in kept.items()}, "ood_msp"
    )
    started = time.process_time()
    pairs, _ = every_pair(runs, "ood_msp", kept.__getitem__)
    assert time.process_time() - started < 6
    assert (holm(pairs.p) < 0.05).sum() == 0
