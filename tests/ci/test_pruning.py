"""A submitted pruner becomes a submission: before or after training, declared, deterministic."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

import ci.evaluate
import ci.incoming
import ci.report
from bench.errors import BenchError
from bench.models import prunable
from bench.plans import Plan, fresh_model
from bench.records import from_json
from bench.submissions import load_submission
from bench.submissions.card import read_card
from ci.evaluate import app
from ci.pruning import Box, check_sparse, dense_of, prune_entry
from ci.report import report
from ci.shipped import ROOT
from tests.ci.conftest import write_entry
from tests.ci.hostile_results import HONEST

STRONG = Box("strong")
BEFORE = '[pruning]\nmoment = "before"\nsparsity = 0.8\n[training]\nseed = 7\n'
DRAWN = HONEST.replace("m.weight.abs()", "torch.rand_like(m.weight)")
DRAWN_ANEW = DRAWN.replace(
    "torch.rand_like(m.weight)", "(torch.seed(), torch.rand_like(m.weight))[1]"
)
MAGNITUDE = """
from torch.nn.utils.prune import L1Unstructured, global_unstructured
def prune(model, batches, sparsity, seed):
    layers = [m for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    global_unstructured([(m, "weight") for m in layers], L1Unstructured, amount=sparsity)
"""


def evaluate(*words):
    return CliRunner().invoke(app, [*map(str, words), "--quiet"])


def test_magnitude_in_five_lines_prunes_the_dense_parent(strong, dense, tmp_path):
    entry = write_entry(tmp_path / "five", "import torch" + MAGNITUDE)
    assert prune_entry(entry, tmp_path / "out", dense, STRONG) == ()
    parent, pruned = load_submission(dense), load_submission(tmp_path / "out")
    both = zip(prunable(parent.model).values(), prunable(pruned.model).values(), strict=True)
    weights, kept = (torch.cat([w.flatten() for w in part]) for part in zip(*both, strict=True))
    assert torch.equal(kept[kept != 0], weights[kept != 0])
    assert weights[kept == 0].abs().max() <= weights[kept != 0].abs().min()
    assert pruned.record.measured_sparsity == pytest.approx(0.8, abs=1e-5)
    record = pruned.record
    assert (record.pruner, record.moment, record.seed) == ("five", "after", 1234)
    assert read_card(tmp_path / "out").training.parent == parent.record.weights_sha256


@pytest.mark.slow
@pytest.mark.parametrize(("code", "flags"), [(DRAWN, ()), (DRAWN_ANEW, ("non-deterministic",))])
def test_a_pruner_that_draws_anew_is_flagged(strong, dense, tmp_path, code, flags):
    entry = write_entry(tmp_path / "drawn", code)
    assert prune_entry(entry, tmp_path / "out", dense, STRONG) == flags


@pytest.mark.slow
def test_a_pruner_before_training_leaves_zeros_that_stay(strong, tmp_path):
    entry = write_entry(tmp_path / "early", HONEST, BEFORE)
    assert prune_entry(entry, tmp_path / "out", tmp_path / "dense", STRONG) == ()
    assert not (tmp_path / "dense").exists()
    fresh = prunable(fresh_model(replace(Plan("digits"), seed=7)))
    trained = prunable(load_submission(tmp_path / "out").model)
    for name, weight in trained.items():
        smallest = fresh[name].abs().flatten().sort(stable=True).indices
        gone = smallest[: int(len(smallest) * 0.8)]
        assert not weight.flatten()[gone].any()
        assert not torch.equal(weight, fresh[name])
    record = load_submission(tmp_path / "out").record
    assert (record.moment, record.seed, record.recipe) == ("before", 7, "digits-20")
    assert record.measured_sparsity == pytest.approx(0.8, abs=1e-3)


@pytest.mark.slow
def test_a_request_is_evaluated_end_to_end(strong, tmp_path):
    entry = write_entry(tmp_path / "five", "import torch" + MAGNITUDE)
    (entry / "run.json").write_text("not read")
    done = evaluate(entry, "--limit", "30", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    run = from_json(json.loads((tmp_path / "out" / "run.json").read_text()))
    assert (run.trust, run.sandbox, run.limit, run.flags) == ("ci", "strong", 30, ())
    assert run.submission == load_submission(tmp_path / "out").record
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "### Relative to dense" in text
    assert done.stdout == text + "\n"
    assert report(tmp_path / "out") == text
    again = evaluate(entry, "--limit", "30", "--out", tmp_path / "again", "--official")
    assert again.exit_code == 0, again.output
    second = from_json(json.loads((tmp_path / "again" / "run.json").read_text()))
    assert second.trust == "official"
    assert second.run_id == run.run_id


def test_submitted_weights_are_scored_without_a_sandbox(dense, tmp_path):
    done = evaluate(dense, "--limit", "20", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    run = from_json(json.loads((tmp_path / "out" / "run.json").read_text()))
    assert (run.trust, run.sandbox) == ("ci", None)
    assert run.submission == load_submission(dense).record


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ('[pruning]\nmoment = "early"\nsparsity = 0.8\n', "moment: got 'early'"),
        ("[pruning]\nsparsity = 0.8\n", "moment: got None"),
        ('[pruning]\nmoment = "after"\n', "sparsity: got None"),
        ('[pruning]\nmoment = "after"\nsparsity = 80\n', "sparsity: got 80"),
    ],
)
def test_a_card_that_does_not_say_what_to_do_is_refused(card, message, tmp_path):
    entry = write_entry(tmp_path / "mine", HONEST, card)
    with pytest.raises(BenchError, match=message) as caught:
        prune_entry(entry, tmp_path / "out", tmp_path / "dense", STRONG)
    assert caught.value.code == "E-SUBMISSION-TOML"
    assert not (tmp_path / "out").exists()


def test_the_dense_parent_is_a_shipped_one_where_there_is_one(tmp_path):
    shipped = ROOT / "submissions" / "lenet5-dense"
    sha256 = read_card(shipped).model.sha256
    for plan, parent in ((Plan("fashionmnist"), None), (Plan("fashionmnist"), sha256)):
        assert dense_of(plan, parent, tmp_path / "dense") == shipped
    with pytest.raises(BenchError, match="no shipped submission has these weights") as caught:
        dense_of(Plan("digits"), "0" * 64, tmp_path / "dense")
    assert caught.value.code == "E-BAD-VALUE"
    assert not (tmp_path / "dense").exists()


def test_the_declared_sparsity_is_reached_or_nearly(dense):
    loaded = load_submission(dense)
    for measured, holds in ((0.8, True), (0.7951, True), (0.7949, False), (0.99, True)):
        record = replace(loaded.record, measured_sparsity=measured)
        near = replace(loaded, record=record)
        if holds:
            check_sparse(near, 0.8)
        else:
            with pytest.raises(BenchError, match=r"got 0\.7949 .* expected at least 0\.795"):
                check_sparse(near, 0.8)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nowhere"], "E-NO-SUCH-FILE"),
        (["{entry}", "--official", "--allow-weak"], "E-BAD-VALUE"),
        (["{entry}", "--out", "{entry}"], "E-BAD-VALUE"),
    ],
)
def test_wrong_input_is_refused(words, code, tmp_path):
    entry = write_entry(tmp_path / "mine", HONEST)
    done = evaluate(*(word.format(entry=entry) for word in words))
    assert getattr(done.exception, "code", done.exception) == code


def test_a_refusal_is_one_message_and_exit_code_two(tmp_path):
    command = [sys.executable, "-m", "ci.evaluate", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"E-NO-SUCH-FILE: .*nowhere: no such folder\n", done.stderr)


@pytest.mark.parametrize("module", [ci.evaluate, ci.incoming, ci.report])
def test_every_command_explains_itself_with_an_example(module):
    done = CliRunner().invoke(module.app, ["--help"])
    assert done.exit_code == 0
    assert f"python -m {module.__name__}" in done.output.partition("Example")[2]
