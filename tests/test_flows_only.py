"""CelebA from end to end: flows are trained and scored on it, and nothing else is."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from bench.baselines import Plan
from bench.cli import app
from bench.data import load_suite
from bench.data.sets import SETS
from bench.errors import BenchError
from bench.evaluation import evaluate
from bench.models import Normalised, build
from bench.models.glow import FLOWS, Form, fresh_flow
from bench.plans import fresh_model
from bench.plausible import impossible
from bench.protocol import PROTOCOLS
from bench.recipes import RECIPES
from bench.records import from_json, to_json
from bench.submissions import described, load_submission, pack
from tests.data.layouts import write_celeba, write_svhn

FLOW = PROTOCOLS["flows"]
TINY = Form(levels=2, steps=1, hidden=8, affine=False, bits=5, channels=3)
COUNTS = {"test": 8, "valid": 1, "train": 16}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small CelebA and SVHN, as if no more had been published."""
    folder = tmp_path / "root"
    numbers = [0] * COUNTS["train"] + [1] * COUNTS["valid"] + [2] * COUNTS["test"]
    write_celeba(folder, dict(enumerate(numbers, start=1)))
    digits = np.random.default_rng(0).integers(0, 256, (10, 3, 32, 32), np.uint8)
    write_svhn(folder / "test_32x32.mat", digits, np.arange(10))
    monkeypatch.setitem(SETS, "celeba", replace(SETS["celeba"], splits=COUNTS))
    monkeypatch.setitem(SETS, "svhn", replace(SETS["svhn"], splits={"test": 10}))
    monkeypatch.setenv("BENCH_DATA", str(folder))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return folder


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_flow_is_scored_by_its_densities_of_faces_and_of_digits(root):
    flow = fresh_flow(TINY, torch.Generator().manual_seed(0))
    submission, suite = described("tiny", "glow", Normalised(flow)), load_suite("celeba")
    found = evaluate(submission, suite, protocol=FLOW).run
    with torch.no_grad():
        inside, outside = (
            submission.model(torch.from_numpy(np.array(images.images)).float() / 255).double()
            for images in (suite.test, suite.outliers["svhn"])
        )
    values = {(s.set, s.metric): s.value for s in found.scores if s.task == "likelihood"}
    area = roc_auc_score([0] * 8 + [1] * 10, -torch.cat([inside, outside]))
    assert values["svhn", "auroc"] == pytest.approx(area, abs=1e-12)
    assert values["celeba", "log_density"] == pytest.approx(float(inside.mean()), rel=1e-9)
    bits = -float(inside.mean()) / (3 * 32 * 32 * math.log(2))
    assert values["celeba", "bits_per_dim"] == pytest.approx(bits, rel=1e-9)
    assert {score.task for score in found.scores} == {"likelihood", "cost"}
    assert {name for name, _ in values} == {"celeba", "svhn"}
    assert found.data == suite.fingerprints()
    assert impossible(to_json(found)) == []
    assert from_json(to_json(found)) == found


@pytest.mark.data
def test_a_flow_of_cifar10_is_scored_against_svhn(data_root):
    flow = fresh_flow(TINY, torch.Generator().manual_seed(0))
    suite = load_suite("cifar10", root=data_root, limit=5)
    found = evaluate(described("tiny", "glow", Normalised(flow)), suite, protocol=FLOW).run
    values = {(s.set, s.metric): s.value for s in found.scores if s.task == "likelihood"}
    (svhn,) = suite.outliers
    assert svhn.startswith("svhn")
    assert 0 <= values[svhn, "auroc"] <= 1
    assert values["cifar10", "bits_per_dim"] > 0


@pytest.mark.slow
def test_the_reference_is_trained_pruned_and_evaluated_at_the_prompt(root, tmp_path, monkeypatch):
    monkeypatch.setitem(FLOWS, "glow", TINY)
    recipe = replace(RECIPES["glow-paper-39"], epochs=2, early=1, batch_size=8)
    monkeypatch.setitem(RECIPES, "glow-paper-39", recipe)
    dense, pruned, store = tmp_path / "dense", tmp_path / "pruned", f"sqlite:///{tmp_path / 'b.db'}"
    run("train", "--suite", "celeba", "--out", dense, "-q")
    assert load_submission(dense).record.recipe == "glow-paper-39"
    cut = ("--pruner", "early-crop", "--sparsity", "0.5", "--scope", "local", "--suite", "celeba")
    run("prune", *cut, "--arch", "glow", "--out", pruned, "-q")
    record = load_submission(pruned).record
    assert (record.scope, record.measured_sparsity) == ("local", pytest.approx(0.5, abs=0.02))
    for folder in (dense, pruned):
        assert "celeba" in run("evaluate", folder, "--suite", "celeba", "--store", store, "-q")


def test_a_classifier_ends_in_one_error_before_images_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "nothing"))
    network = build("lenet5", classes=10, channels=3)
    folder = pack(
        Normalised(network), described("net", "lenet5", Normalised(network)).record, tmp_path / "n"
    )
    out = ("--out", tmp_path / "out")
    commands = (
        ("evaluate", folder, "--store", f"sqlite:///{tmp_path / 'b.db'}"),
        ("doctor", folder),
        ("detect", folder, "--images", tmp_path),
        ("train", "--arch", "lenet5", *out),
        ("prune", "--arch", "resnet18", "--pruner", "snip", "--sparsity", "0.5", *out),
    )
    for words in commands:
        result = CliRunner().invoke(app, [*map(str, words), "--suite", "celeba", "--quiet"])
        assert isinstance(result.exception, BenchError), words
        assert result.exception.code == "E-BAD-VALUE"
        assert "suite: got celeba for a classifier" in result.exception.message
        assert "'cifar10'" in result.exception.message
    with pytest.raises(BenchError, match="for flows alone"):
        evaluate(network, "celeba")


def test_a_flow_of_grey_images_is_not_trained_on_faces():
    with pytest.raises(BenchError, match="glow-tiny: is of images of one channel, celeba has 3"):
        fresh_model(Plan("celeba", architecture="glow-tiny"))


def test_its_own_recipe_takes_the_papers_number_of_steps():
    recipe = RECIPES[Plan("celeba").recipe_name]
    steps = recipe.epochs * math.ceil(162_770 / recipe.batch_size)
    assert steps == pytest.approx(100_000, rel=0.01)
    assert replace(recipe, epochs=107, early=21) == RECIPES["glow-paper"]
    assert recipe.early / recipe.epochs == pytest.approx(21 / 107, abs=0.01)
