"""What commands take from a submission's card, and what they refuse before the work."""

import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import BenchError
from bench.plans import Plan
from bench.submissions.card import FILE, read_card
from tests.factories import fill, some_run


def test_what_cannot_be_written_is_a_message_and_no_traceback(tmp_path):
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    fill(url, some_run())
    command = [sys.executable, "-m", "bench", "export", "--out", str(tmp_path), "--store", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"E-BAD-VALUE: {tmp_path}: Is a directory\n"


def test_a_submission_is_scored_on_the_suite_that_its_card_names(dense, tmp_path):
    folder = shutil.copytree(dense, tmp_path / "net")
    card = folder / FILE
    card.write_text(card.read_text().replace('suite = "digits"', 'suite = "mnist"'))
    invoke, words = CliRunner().invoke, ["evaluate", str(folder), "--only", "clean", "--quiet"]
    assert invoke(app, [*words, "--data", str(tmp_path)]).exception.code == "E-NO-DATA"
    result = invoke(app, [*words, "--suite", "digits", "--limit", "20"])
    assert result.exit_code == 0, result.output
    assert "bench show" not in result.output  # nothing was stored


def test_the_seed_of_a_parent_is_taken(dense, tmp_path):
    parent, pruned = shutil.copytree(dense, tmp_path / "dense"), tmp_path / "pruned"
    card = parent / FILE
    card.write_text(card.read_text().replace("seed = 1234", "seed = 7"))
    words = ["--pruner", "magnitude", "--sparsity", "0.5", "--from", str(parent)]
    result = CliRunner().invoke(app, ["prune", *words, "--out", str(pruned), "-q"])
    assert result.exit_code == 0, result.output
    assert read_card(pruned).training.seed == 7


def test_a_seed_that_no_card_may_have_is_refused_before_the_training():
    for seed in (-1, 2**63):
        with pytest.raises(BenchError, match="E-BAD-VALUE: seed: got"):
            Plan("digits", seed=seed)
