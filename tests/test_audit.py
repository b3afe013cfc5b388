"""The task audit: its numbers against those made another way, and what they do not depend on."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from bench.attacks.pgd import pgd
from bench.data import load_suite
from bench.evaluation import Evaluation, evaluate
from bench.flags import FAR, NEAR, flags_of
from bench.metrics import accuracy
from bench.protocol import PROTOCOL, PROTOCOLS
from bench.submissions import LoadedSubmission, load_submission

SMALL = replace(PROTOCOL, audit_images=100, square_queries=5)


@pytest.fixture(scope="module")
def submission(dense) -> LoadedSubmission:
    return load_submission(dense)


@pytest.fixture(scope="module")
def audited(submission) -> Evaluation:
    return evaluate(submission, "digits", protocol=SMALL, only=["audit"])


def numbers(run):
    return {(s.metric, s.attack, s.epsilon): (s.value, s.n) for s in run.scores}


def test_it_measures_each_attack_and_each_share_once(audited, submission):
    found = numbers(audited.run)
    assert {key for key in found if key[0] == "accuracy"} == {
        ("accuracy", None, None),
        ("accuracy", "fgsm-linf", NEAR),
        ("accuracy", "fgsm-linf-standardised", NEAR),
        ("accuracy", "fgsm-linf-margin", NEAR),
        ("accuracy", "noise-linf", NEAR),
        ("accuracy", "pgd-linf", NEAR),
        ("accuracy", "square-linf", NEAR),
        ("accuracy", "pgd-linf", FAR),
    }
    assert len(found) == len(audited.run.scores) == 14
    weights = 142_110
    assert {n for _, n in found.values()} == {SMALL.audit_images, weights}
    assert found["tiny_share", None, None] == found["denormal_share", None, None] == (0, weights)


def test_its_accuracies_are_those_of_the_first_images(audited, submission):
    test = load_suite("digits").test
    images = torch.tensor(test.images[:100]).float() / 255
    labels = torch.tensor(test.labels[:100])
    moved = pgd(submission.model, images, labels, NEAR, PROTOCOL.pgd_steps)
    found = numbers(audited.run)
    for key, shown in (((None, None), images), (("pgd-linf", NEAR), moved)):
        with torch.inference_mode():
            right = accuracy(submission.model(shown), labels)
        assert found["accuracy", *key][0] == pytest.approx(right, abs=1e-12)


def test_its_fgsm_is_that_of_the_task_adversarial(submission):
    suite = load_suite("digits", limit=100)
    only = ["adversarial", "audit"]
    run, _ = evaluate(submission, suite, protocol=SMALL, only=only)
    for metric in ("accuracy", "zero_gradient_share"):
        one, other = (
            next(
                s.value
                for s in run.scores
                if (s.task, s.metric, s.attack, s.epsilon) == (task, metric, "fgsm-linf", NEAR)
            )
            for task in only
        )
        assert one == other


def test_it_audits_the_same_in_the_preset_of_the_authors_whatever_their_attack_does(
    audited, submission
):
    authors = replace(PROTOCOLS["authors"], audit_images=100, square_queries=5)
    run, _ = evaluate(submission, "digits", protocol=authors, only=["audit"])
    assert numbers(run) == numbers(audited.run)


def test_it_does_not_depend_on_what_ran_before_or_on_the_protocols_batches(audited, submission):
    torch.rand(7)
    batched = replace(SMALL, batch_size=64)
    run, _ = evaluate(submission, "digits", protocol=batched, only=["clean", "audit"])
    again = {key: value for key, value in numbers(run).items() if key in numbers(audited.run)}
    assert again == numbers(audited.run)


def test_fewer_images_than_it_asks_for_are_all_audited(submission):
    run, _ = evaluate(submission, load_suite("digits", limit=20), protocol=SMALL, only=["audit"])
    assert numbers(run)["accuracy", "pgd-linf", NEAR][1] == 20


def test_the_run_carries_the_flags_of_its_numbers_behind_those_of_the_submission(submission):
    flagged = replace(submission, model=deepcopy(submission.model), flags=("layer-collapse",))
    with torch.no_grad():
        for number in flagged.model.network.fc2.parameters():
            number.mul_(1e5)
    run, _ = evaluate(flagged, "digits", protocol=SMALL, only=["audit"])
    assert flags_of(run) == ("masked-gradients", "saturated")
    assert run.flags == ("layer-collapse", "partial", *flags_of(run))
