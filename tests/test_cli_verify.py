import gzip
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import BenchError
from bench.records import canonical_json, to_json
from bench.store import TRUTH, open_store, save_run, true_outcome
from tests.factories import some_run
from tests.store.ledgers import fill_old, old_id


def bench(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


def refused(*words) -> BenchError:
    error = bench(*words).exception
    assert isinstance(error, BenchError), error
    return error


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bench.db"


@pytest.fixture
def store(path, scored) -> str:
    """With one honest run and its answers."""
    with open_store(f"sqlite:///{path}") as opened:
        save_run(opened, *scored)
    return f"sqlite:///{path}"


@pytest.fixture
def run_file(tmp_path: Path, scored):
    """Writes the run record, with the accuracy of every attack made up where one is given."""

    def written(accuracy: float | None = None) -> Path:
        record = json.loads(canonical_json(to_json(scored.run)))
        for score in record["scores"]:
            attacked = (score["task"], score["metric"]) == ("adversarial", "accuracy")
            if attacked and accuracy is not None:
                stderr = (accuracy * (1 - accuracy) / 60) ** 0.5
                score.update(value=accuracy, stderr=stderr)
        (tmp_path / "run.json").write_text(canonical_json(record))
        return tmp_path / "run.json"

    return written


def test_a_store_as_it_was_written_passes_and_prints_the_head_to_note(store):
    done = bench("verify", "--store", store)
    assert done.exit_code == 0, done.output
    head = re.search(r"head ([0-9a-f]{64})", done.output)[1]
    assert "1 rows, 1 of them stand: unbroken, no impossible value." in done.output
    assert bench("verify", "--head", head, "--store", store).exit_code == 0
    error = refused("verify", "--head", "1" * 64, "--store", store)
    assert error.code == "E-CHAIN-BROKEN"


def test_an_edited_store_is_refused_with_the_places(store, path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER score_no_update")
        connection.execute("UPDATE score SET value = 0.99 WHERE metric = 'brier'")
        connection.commit()
    done = bench("verify", "--store", store)
    assert done.exception.code == "E-CHAIN-BROKEN"
    assert "2 findings, at schema, score of run 1" in done.exception.message
    assert "no trigger score_no_update" in done.output


def test_impossible_values_are_refused_with_run_and_score(store):
    impossible = some_run(accuracy=0.9)  # of 597 images no 537.3 can be right
    with open_store(store) as opened:
        save_run(opened, impossible)
    done = bench("verify", "--store", store)
    assert done.exception.code == "E-IMPOSSIBLE-VALUE"
    assert f"run 2 ({impossible.run_id[:8]}) " in done.exception.message
    assert f"run 2 ({impossible.run_id[:8]}) clean digits accuracy" in done.output
    assert "0.9, which is no whole number of 597" in done.output


def test_answers_that_do_not_give_the_scores_are_refused(path, scored):
    outcomes = {**scored.outcomes, "fog/5": scored.outcomes["digits"]}
    with open_store(f"sqlite:///{path}") as opened:
        save_run(opened, scored.run, outcomes)
    error = refused("verify", "--store", f"sqlite:///{path}")
    assert error.code == "E-IMPOSSIBLE-VALUE"
    assert "fog/5 msp 1 auroc" in error.message


def test_accuracies_that_the_stored_labels_do_not_give_are_refused(path, scored):
    labels = scored.outcomes[TRUTH].predicted
    outcomes = {**scored.outcomes, TRUTH: true_outcome((labels + 1) % 10)}
    with open_store(f"sqlite:///{path}") as opened:
        save_run(opened, scored.run, outcomes)
    error = refused("verify", "--store", f"sqlite:///{path}")
    assert error.code == "E-IMPOSSIBLE-VALUE"
    assert "digits accuracy" in error.message


def test_two_runs_with_other_labels_of_the_same_images_are_refused(store):
    labels = np.arange(60) % 10
    with open_store(store) as opened:
        one, other = (
            replace(some_run(scores=[], seed=seed), flags=("partial",)) for seed in (1, 2)
        )
        save_run(opened, one, {TRUTH: true_outcome(labels)})
        save_run(opened, other, {TRUTH: true_outcome(labels[::-1])})
    done = bench("verify", "--store", store)
    assert f"run 3 ({other.run_id[:8]}) truth" in done.output
    assert "other labels of the same images than those of run 2" in done.output


def test_a_sample_of_an_honest_run_matches_and_its_seed_repeats_it(store, scored, dense):
    words = ["verify", scored.run.run_id[:5], "--recompute", 50, "--model", dense]
    done = bench(*words, "--store", store, "--quiet")
    assert done.exit_code == 0, done.output
    found = re.search(r"MATCH: 50 of 50 images as stored, .* seed (\d+)", done.output)
    again = bench(*words, "--store", store, "--seed", found[1], "--quiet")
    assert again.output == done.output


def test_the_model_is_found_beside_the_record_or_by_the_slug(store, scored, dense, monkeypatch):
    monkeypatch.chdir(dense.parent)  # the folder `dense` has the run's slug
    assert scored.run.submission.slug == dense.name
    words = ["verify", scored.run.run_id, "--recompute", 10, "--store", store]
    assert "MATCH" in bench(*words).output
    monkeypatch.chdir("/")
    assert refused(*words).code == "E-ANOTHER-MODEL"


def test_a_run_record_is_checked_and_sampled_without_a_store(run_file, dense):
    done = bench("verify", run_file(), "--recompute", 150, "--model", dense, "--quiet")
    assert done.exit_code == 0, done.output
    assert "no impossible value" in done.output
    assert "MATCH" in done.output


def test_a_made_up_accuracy_diverges(run_file, dense):
    words = ["--recompute", 400, "--seed", 1, "--model", dense, "--quiet"]
    error = refused("verify", run_file(accuracy=0.0), *words)
    assert error.code == "E-DIVERGED"
    assert re.search(r"DIVERGED: \d+ of 400 images right, .* seed 1", error.message)


def test_a_store_of_the_first_schema_is_verified_shown_and_exported_by_its_old_ids(path, scored):
    url, run_id = f"sqlite:///{path}", old_id(scored.run)
    fill_old(url, [scored.run], lambda _: scored.outcomes)
    for words in (["verify"], ["verify", run_id], ["show", run_id[:6]]):
        done = bench(*words, "--store", url)
        assert done.exit_code == 0, done.exception
    table = bench("export", run_id, "--format", "csv", "--store", url).output
    assert len(table.splitlines()) == 1 + len(scored.run.scores)


def test_a_packed_record_is_verified_as_a_plain_one(run_file):
    packed = run_file().with_name("run-1234.json.gz")
    packed.write_bytes(gzip.compress(run_file().read_bytes()))
    done = bench("verify", packed)
    assert done.exit_code == 0, done.output
    assert "no impossible value" in done.output


def test_a_file_that_is_no_record_and_a_sample_of_no_run_are_refused(tmp_path, store):
    (tmp_path / "run.json").write_text("[1, 2")
    assert refused("verify", tmp_path / "run.json").code == "E-BROKEN-FILE"
    (tmp_path / "run.json").write_text("[1, 2]")
    assert refused("verify", tmp_path / "run.json").code == "E-IMPOSSIBLE-VALUE"
    assert refused("verify", "--recompute", 10, "--store", store).code == "E-BAD-VALUE"
    assert refused("verify", "zz", "--store", store).code == "E-NO-SUCH-RUN"
    assert refused("verify", "a" * 5000, "--store", store).code == "E-NO-SUCH-RUN"
    assert refused("verify", "--store", "sqlite:////no/x.db").code == "E-NO-STORE"


def test_an_owner_corrects_a_row_and_the_correction_says_why(path, scored, dense):
    url = f"sqlite:///{path}"
    wrong = replace(scored.run, submission=replace(scored.run.submission, pruner="snip"))
    with open_store(url) as opened:
        save_run(opened, wrong)
    words = ["evaluate", dense, "--limit", 60, "--store", url, "--quiet"]
    assert refused(*words, "--supersedes", wrong.run_id[:6]).code == "E-BAD-VALUE"
    assert refused(*words, "--supersedes", "zz", "--reason", "x").code == "E-NO-SUCH-RUN"
    done = bench(*words, "--supersedes", wrong.run_id[:6], "--reason", "it is dense, not snip")
    assert done.exit_code == 0, done.output
    run_id = re.search(r"run ([0-9a-f]{16})", done.output)[1]
    shown = bench("show", run_id, "--store", url).output
    assert f"In place of run {wrong.run_id}: it is dense, not snip" in shown
    listed = bench("runs", "--store", url).output
    assert run_id in listed
    assert "self-reported" in listed
    assert wrong.run_id not in listed
    assert "2 rows, 1 of them stand" in bench("verify", "--store", url).output
