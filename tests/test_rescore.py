from dataclasses import replace

import numpy as np
import pytest

from bench.data import load_suite
from bench.records import Score
from bench.rescore import rescored
from bench.store import TRUTH, Outcome, outcome_key, true_outcome


@pytest.fixture(scope="module")
def labels():
    return load_suite("digits", limit=60).test.labels


@pytest.fixture(scope="module")
def unlabelled(scored):
    """The stored answers of a run from before labels were kept."""
    return {key: outcome for key, outcome in scored.outcomes.items() if key != TRUTH}


def with_values(run, change):
    """The run with every value that follows from stored answers changed."""
    return replace(
        run,
        scores=tuple(replace(s, value=change(s.value)) if follows(s) else s for s in run.scores),
    )


def follows(score):
    found = score.metric == "accuracy" or score.detector == "msp"
    return found and score.value is not None and (score.task != "audit" or score.attack is None)


def test_the_stored_answers_give_the_stored_scores(scored, labels):
    assert rescored(scored.run, scored.outcomes, labels) == []


def test_every_accuracy_and_every_score_by_msp_follows_from_the_answers(scored, unlabelled, labels):
    moved = with_values(scored.run, lambda value: value + 1e-9)
    found = {finding.where for finding in rescored(moved, unlabelled, labels)}
    expected = [score for score in scored.run.scores if follows(score)]
    assert len(expected) > 250
    assert len(found) == len(expected)
    assert found == {finding.where for finding in rescored(moved, scored.outcomes)}
    alone = {finding.where for finding in rescored(moved, unlabelled)}
    assert len(alone) == sum(score.detector == "msp" for score in expected)


def test_one_answer_that_was_changed_is_found_in_the_scores_of_its_set_alone(scored, labels):
    fog = scored.outcomes["fog/3"]
    msp, predicted = np.array(fog.confidence), np.array(fog.predicted)
    msp[7], predicted[7] = 0.2, (predicted[7] + 1) % 10
    changed = {**scored.outcomes, "fog/3": Outcome(predicted, msp)}
    found = [finding.where for finding in rescored(scored.run, changed, labels)]
    assert sorted(set(found)) == ["fog/3 accuracy", "fog/3 msp 1 auroc"]


@pytest.mark.parametrize("metric", ["top_class_share", "saturated_share", "accuracy"])
def test_an_audit_of_another_network_is_found(scored, labels, metric):
    forged = replace(
        scored.run,
        scores=tuple(
            replace(s, value=(s.value + 0.5) % 1)
            if (s.task, s.metric, s.attack) == ("audit", metric, None)
            else s
            for s in scored.run.scores
        ),
    )
    (finding,) = rescored(forged, scored.outcomes, labels)
    assert finding.where == f"audit {metric}"


def test_answers_of_fewer_images_are_found(scored, labels):
    short = {
        key: Outcome(o.predicted[:50], o.confidence[:50]) for key, o in scored.outcomes.items()
    }
    found = {f.where: f.what for f in rescored(scored.run, short, labels)}
    assert found["digits"] == "50 answers, 60 images"
    assert "of 100" in found["patches msp 1 auroc"]


def test_a_run_without_stored_answers_has_nothing_to_follow_from(scored, labels):
    assert rescored(scored.run, {}, labels) == []


def test_every_stored_answer_has_scores_that_follow_from_it(scored):
    assert set(scored.outcomes) - {TRUTH} <= {outcome_key(score) for score in scored.run.scores}


def test_the_labels_are_kept_as_the_answers_of_one_that_knows(scored, labels):
    truth = scored.outcomes[TRUTH]
    assert np.array_equal(truth.predicted, labels)
    assert truth.confidence.dtype == np.float32
    assert (truth.confidence == 1).all()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda labels: true_outcome(labels[:50]), "50 labels, 60 answers"),
        (lambda labels: Outcome(labels, np.full(60, 0.5, np.float32)), "not certain"),
        (lambda labels: true_outcome(labels[::-1]), "not those of the test set"),
    ],
)
def test_stored_labels_that_are_none_of_this_test_set_are_found(scored, labels, change, what):
    forged = {**scored.outcomes, TRUTH: change(labels)}
    (finding,) = rescored(scored.run, forged, labels)
    assert finding.where == TRUTH
    assert what in finding.what


def test_labels_that_were_changed_show_in_every_accuracy_without_the_data(scored, labels):
    forged = {**scored.outcomes, TRUTH: true_outcome((labels + 1) % 10)}
    found = {finding.where for finding in rescored(scored.run, forged)}
    accuracies = [s for s in scored.run.scores if follows(s) and s.metric == "accuracy"]
    assert {"digits accuracy", "fog/3 accuracy", "audit accuracy"} <= found
    assert len(found) >= len(accuracies) - 5  # of a strong attack both may be 0


def test_accuracies_of_a_task_without_stored_answers_are_left_alone(scored, labels):
    unknown = Score(task="beauty", set="digits", metric="accuracy", value=0.25, n=20)
    longer = replace(scored.run, scores=(*scored.run.scores, unknown))
    assert rescored(longer, scored.outcomes, labels) == []
