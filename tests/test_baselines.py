"""What a baseline's folder says of itself and its parent, and which parents are refused."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from bench.baselines import Cut, Plan, _slug, prune, train_dense
from bench.data import load_suite
from bench.errors import BenchError
from bench.evaluation import evaluate
from bench.models import ARCHITECTURES, Normalised, build, infer_widths
from bench.pruners import PRUNERS
from bench.pruners.cutting import cut
from bench.records import Submission
from bench.submissions import described, load_submission, pack
from bench.submissions.card import SLUG, read_card
from bench.submissions.card import Training as TrainingCard
from ci.readme import ROOT
from leaderboard.shipped import read, shipped_records
from tests.pruners.settings import tiny

DIGITS = Plan("digits")
SNIP_AFTER = Cut("snip-after", 0.5)


def test_a_pruned_network_names_its_parent_and_all_the_epochs_behind_it(dense, tmp_path):
    parent = load_submission(dense).record.weights_sha256
    expected = partial(TrainingCard, suite="digits", recipe="digits-20", seed=1234, parent=parent)
    once = read_card(prune(DIGITS, SNIP_AFTER, tmp_path / "once", parent=dense))
    assert once.training == expected(epochs=20)
    tuned = Cut("snip-after", 0.5, options={"finetune_epochs": "2"})
    more = read_card(prune(DIGITS, tuned, tmp_path / "more", parent=dense))
    assert more.training == expected(epochs=22)
    assert more.pruning.pruner == "snip-after finetune_epochs=2"
    none = Cut("snip", 0.5, options={"finetune_epochs": "0"})
    untrained = read_card(prune(DIGITS, none, tmp_path / "none", parent=dense))
    assert untrained.training == expected(epochs=0)


def test_a_parent_of_another_plan_is_refused(dense, tmp_path):
    for plan, message in (
        (replace(DIGITS, seed=2345), "seed: got 2345, the parent .* has 1234"),
        (replace(DIGITS, recipe="short-10"), "recipe: got short-10, .* has digits-20"),
        (Plan("fashionmnist"), "suite: got fashionmnist, .* has digits"),
    ):
        with pytest.raises(BenchError, match=message) as caught:
            prune(plan, SNIP_AFTER, tmp_path / "out", parent=dense)
        assert caught.value.code == "E-BAD-VALUE"
    for parent in (dense, dense / "weights.safetensors"):
        with pytest.raises(BenchError, match="holds the parent; name another"):
            prune(DIGITS, SNIP_AFTER, dense, parent=parent)
    assert (dense / "weights.safetensors").is_file()
    with pytest.raises(BenchError, match="give its folder with --from"):
        prune(DIGITS, SNIP_AFTER, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_parent_may_be_a_bare_file_of_weights(dense, tmp_path):
    bare = tmp_path / "dense.safetensors"
    shutil.copy(dense / "weights.safetensors", bare)
    of_file = prune(DIGITS, SNIP_AFTER, tmp_path / "of-file", parent=bare)
    of_folder = prune(DIGITS, SNIP_AFTER, tmp_path / "of-folder", parent=dense)
    files = [folder / "weights.safetensors" for folder in (of_file, of_folder)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert load_submission(of_file).record.mean == (0.5,)
    parent = load_submission(dense).record.weights_sha256
    assert read_card(of_file).training == TrainingCard(suite="digits", parent=parent)


def test_a_parent_that_is_pruned_or_of_other_images_is_refused(dense, tmp_path):
    pruned = prune(DIGITS, SNIP_AFTER, tmp_path / "pruned", parent=dense)
    bare = tmp_path / "bare.safetensors"
    shutil.copy(pruned / "weights.safetensors", bare)
    for parent in (pruned, bare):
        with pytest.raises(BenchError, match=r"is pruned .* expected a dense network"):
            prune(DIGITS, SNIP_AFTER, tmp_path / "out", parent=parent)
    network = build("lenet5", classes=5)
    loaded = described("five", "lenet5", Normalised(network))
    five = pack(loaded.model, loaded.record, tmp_path / "five")
    with pytest.raises(BenchError, match="1 channels and tells 5 classes apart, digits has 1 and"):
        prune(DIGITS, SNIP_AFTER, tmp_path / "out", parent=five)


def test_a_parent_of_a_recipe_of_its_owners_own_keeps_the_name(dense, tmp_path):
    loaded = load_submission(dense)
    record = replace(loaded.record, recipe="my-sgd-200")
    own = pack(
        loaded.model, record, tmp_path / "own", {"training": {"suite": "digits", "epochs": 200}}
    )
    out = prune(DIGITS, SNIP_AFTER, tmp_path / "out", parent=own)
    assert read_card(out).training.recipe == "my-sgd-200"
    assert read_card(out).training.epochs == 200


def test_what_cannot_be_written_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    def never(what, done, total):
        raise AssertionError("trained")

    foreign, file = tmp_path / "foreign", tmp_path / "file"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("keep")
    file.write_text("keep")
    for out in (foreign, file, file / "under"):
        for make in (
            lambda out: train_dense(DIGITS, out, progress=never),
            lambda out: prune(DIGITS, Cut("random", 0.5), out, progress=never),
        ):
            with pytest.raises(BenchError) as caught:
                make(out)
            assert caught.value.code == "E-BAD-VALUE"
    assert (foreign / "mine.txt").read_text() == file.read_text() == "keep"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError, match="name another --out"):
        train_dense(DIGITS, Path(), progress=never)


@pytest.mark.parametrize("sparsity", [1, 90, -0.1, float("nan")])
def test_a_sparsity_in_the_wrong_unit_is_refused_at_once(sparsity):
    with pytest.raises(BenchError, match=r"0\.9 keeps 10 %"):
        Cut("imp", sparsity)


def test_a_slug_is_always_one_and_tells_the_sparsity():
    long = "edge-popup-after " + " ".join(f"option{i}=value" for i in range(9))
    assert _slug(long, 0.5).endswith("-0.5")
    assert _slug(long, 0.9).endswith("-0.9")
    for name in (long, "m:<lambda>", "ß", "-x-"):
        assert SLUG.fullmatch(_slug(name, 0.9)), name


def test_a_collapsed_layer_is_flagged_and_scored(dense, tmp_path):
    loaded = load_submission(dense)
    with torch.no_grad():
        loaded.model.network.conv2.weight.zero_()
    record: Submission = described("dead", "lenet5", loaded.model).record
    dead = load_submission(pack(loaded.model, record, tmp_path / "dead"))
    assert dead.flags == ("layer-collapse",)
    assert load_submission(dense).flags == ()
    run, _ = evaluate(dead, load_suite("digits", limit=20))
    assert run.flags == ("layer-collapse", "constant-output")
    chances = [s.value for s in run.scores if (s.task, s.metric) == ("outliers", "auroc")]
    assert 0.5 in chances


def test_a_pruner_that_collapses_a_layer_does_not_crash(dense, tmp_path):
    def only_the_last(scoring):
        weights = [w for w in scoring.network.parameters() if w.dim() > 1]
        names = [f"network.{n}.weight" for n in ("conv1", "conv2", "conv3", "fc1", "fc2")]
        return {
            name: torch.full_like(weight, float(name == "network.fc2.weight"))
            for name, weight in zip(names, weights, strict=True)
        }

    out = prune(DIGITS, Cut(only_the_last, 0.995), tmp_path / "out")
    assert load_submission(out).flags == ("layer-collapse",)


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "conv6", "resnet18"])
def test_a_network_without_some_channels_loads_again_by_its_shapes(name, tmp_path):
    training = tiny(name)
    cut(training, PRUNERS["random"], 0.0)
    cut(training, replace(PRUNERS["random"], structure="structured", scope="local"), 0.8)
    full = ARCHITECTURES[name].widths
    loaded = described("narrow", name, training.model)
    assert 0.8 < loaded.record.measured_sparsity < 1
    folder = pack(training.model, loaded.record, tmp_path / "narrow")
    again = load_submission(folder)
    assert again.record.widths == loaded.record.widths
    widths = infer_widths(name, again.model.network.state_dict())
    assert widths == {layer: width // 5 for layer, width in full.items()}
    images = training.setting.data.images[:2].float() / 255
    torch.testing.assert_close(again.model(images), training.model(images), rtol=1e-4, atol=1e-5)
    whole = build(name, channels=images.shape[1]).state_dict()
    size = sum(tensor.numel() * 4 for tensor in whole.values())
    assert (folder / "weights.safetensors").stat().st_size < 0.2 * size


def test_every_shipped_network_is_the_one_of_its_run():
    alone = [path.parent for path in ROOT.glob("submissions/*/weights.safetensors")]
    ensembles = list(ROOT.glob("submissions/*-ensemble-*"))
    assert alone
    assert ensembles
    for folder in alone + ensembles:
        weights = load_submission(folder).record.weights_sha256
        of_folder = [path for path in shipped_records() if path.parent == folder]
        assert weights in {read(path).submission.weights_sha256 for path in of_folder}
