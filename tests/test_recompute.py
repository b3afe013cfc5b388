from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data import load_suite
from bench.errors import BenchError
from bench.recompute import Sample, claimed, matches, recompute
from bench.store import Outcome
from bench.submissions import load_submission

CPU = torch.device("cpu")
TASKS = {"clean", "adversarial", "shift", "outliers", "out-of-domain"}


@pytest.fixture(scope="module")
def suite():
    return load_suite("digits", limit=60)


@pytest.fixture
def claim(scored, suite, dense: Path):
    return claimed(scored.run, scored.outcomes, load_submission(dense), suite, CPU)


def lying(claim, key, change):
    """The claim with other answers stored for one set."""
    told = change(claim.outcomes[key])
    return replace(claim, outcomes={**claim.outcomes, key: told})


def test_an_honest_run_comes_again_in_every_task(claim):
    samples = recompute(claim, 300, seed=1)
    assert {sample.task for sample in samples} == TASKS
    assert [(sample.n, sample.hits) for sample in samples] == [(60, 60)] * 5
    assert matches(samples)


def test_the_seed_decides_which_images_are_drawn(claim):
    liar = lying(
        claim,
        "digits",
        lambda o: Outcome(o.predicted, np.where(o.confidence < 0.99, 0, o.confidence)),
    )
    hits = {seed: recompute(liar, 100, seed)[0].hits for seed in (1, 1, 2, 3, 4)}
    assert recompute(liar, 100, 1)[0].hits == hits[1]
    assert len(set(hits.values())) > 1


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("digits", lambda o: Outcome(o.predicted, np.minimum(o.confidence + 0.001, 1) - 0.0005)),
        ("digits", lambda o: Outcome((o.predicted + 1) % 10, o.confidence)),
        ("digits", lambda o: Outcome(np.full(60, 65535), o.confidence)),
        ("patches", lambda o: Outcome(o.predicted, o.confidence * 0.5)),
        ("patches×255", lambda o: Outcome(o.predicted, np.full(60, 0.1, np.float32))),
    ],
)
def test_stored_answers_that_the_model_does_not_give_diverge(claim, key, change):
    assert not matches(recompute(lying(claim, key, change), 300, seed=1))


def test_robustness_that_is_not_there_diverges(claim, suite):
    attacked = {key: o for key, o in claim.outcomes.items() if "@" in key}
    told = {key: Outcome(suite.test.labels, o.confidence) for key, o in attacked.items()}
    wrong = sum(int((o.predicted != suite.test.labels).sum()) for o in attacked.values())
    assert wrong > 0
    samples = recompute(replace(claim, outcomes={**claim.outcomes, **told}), 2000, seed=1)
    missed = {sample.task: sample.n - sample.hits for sample in samples}
    assert missed.pop("adversarial") == pytest.approx(400 * wrong / 240, rel=0.4)
    assert set(missed.values()) == {0}


def test_without_stored_answers_accuracies_are_compared_and_an_honest_run_matches(claim):
    bare = replace(claim, outcomes={})
    for seed in range(5):
        samples = recompute(bare, 200, seed)
        assert {sample.task for sample in samples} == {"clean", "adversarial", "shift"}
        assert matches(samples)
    clean = samples[0]
    right = next(s for s in claim.run.scores if s.metric == "accuracy").value
    assert clean.accuracy == pytest.approx(right)


def test_without_stored_answers_a_made_up_accuracy_diverges(claim):
    told = tuple(
        replace(s, value=0.5) if (s.task, s.metric) == ("clean", "accuracy") else s
        for s in claim.run.scores
    )
    liar = replace(claim, outcomes={}, run=replace(claim.run, scores=told))
    assert not matches(recompute(liar, 200, seed=1))


@pytest.mark.parametrize(
    ("task", "hits", "accuracy", "match"),
    [
        ("clean", 200, None, True),
        ("clean", 199, None, False),
        ("adversarial", 198, None, True),
        ("adversarial", 197, None, False),
        ("clean", 100, 0.5, True),
        ("clean", 100, 0.61, True),
        ("clean", 100, 0.62, False),
        ("clean", 0, 0.0, True),
        ("clean", 1, 0.0, False),
        ("clean", 40, 0.0, False),
    ],
)
def test_a_sample_matches_as_stored_or_within_its_interval(task, hits, accuracy, match):
    assert matches([Sample(task, 200, hits, accuracy)]) == match


def test_one_attacked_image_of_a_few_may_be_a_stray():
    assert matches([Sample("adversarial", 40, 39, None)])
    assert not matches([Sample("adversarial", 40, 38, None)])


def test_the_interval_holds_the_share_and_is_narrower_for_more_images():
    few, many = (Sample("clean", n, n * 9 // 10, None).interval for n in (20, 2000))
    assert few == pytest.approx((0.5329, 0.9862), abs=1e-3)  # by hand, z = 3.2905
    assert few[0] < many[0] < 0.9 < many[1] < few[1]


def test_another_model_protocol_or_other_images_are_refused(scored, suite, dense):
    submission, run = load_submission(dense), scored.run
    who = run.submission
    for change, code in (
        ({"submission": replace(who, weights_sha256="0" * 64)}, "E-ANOTHER-MODEL"),
        ({"submission": replace(who, std=(0.3,))}, "E-ANOTHER-MODEL"),
        ({"submission": replace(who, architecture="conv6")}, "E-ANOTHER-MODEL"),
        ({"protocol": replace(run.protocol, sha256="0" * 64)}, "E-NOT-COMPARABLE"),
        ({"data": {**run.data, "patches": "0" * 64}}, "E-NOT-COMPARABLE"),
    ):
        with pytest.raises(BenchError) as error:
            claimed(replace(run, **change), scored.outcomes, submission, suite, CPU)
        assert error.value.code == code


def test_a_run_of_which_nothing_can_be_made_again_is_refused(claim):
    with pytest.raises(BenchError, match="no set of it"):
        recompute(replace(claim, outcomes={"elsewhere": claim.outcomes["digits"]}), 10, seed=1)
    short = lying(claim, "fog/3", lambda o: Outcome(o.predicted[:30], o.confidence[:30]))
    with pytest.raises(BenchError, match=r"E-IMPOSSIBLE-VALUE.*30 stored answers.*60 images"):
        recompute(short, 10, seed=1)
