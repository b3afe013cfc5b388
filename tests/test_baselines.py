"""What a baseline's folder says of itself and its parent, and which parents are refused."""

import shutil
from dataclasses import replace

import pytest
import torch

from bench.baselines import Cut, Plan, prune
from bench.data import load_suite
from bench.errors import BenchError
from bench.evaluation import evaluate
from bench.records import Submission
from bench.submissions import described, load_submission, pack
from bench.submissions.card import read_card

DIGITS = Plan("digits")
SNIP_AFTER = Cut("snip-after", 0.5)


def test_a_pruned_network_names_its_parent_and_all_the_epochs_behind_it(dense, tmp_path):
    parent = load_submission(dense).record.weights_sha256
    expected = {"suite": "digits", "recipe": "digits-20", "seed": 1234, "parent": parent}
    once = read_card(prune(DIGITS, SNIP_AFTER, tmp_path / "once", parent=dense))
    assert once["training"] == expected | {"epochs": 20}
    tuned = Cut("snip-after", 0.5, options={"finetune_epochs": "2"})
    more = read_card(prune(DIGITS, tuned, tmp_path / "more", parent=dense))
    assert more["training"] == expected | {"epochs": 22}
    assert more["pruning"]["pruner"] == "snip-after finetune_epochs=2"
    none = Cut("snip", 0.5, options={"finetune_epochs": "0"})
    untrained = read_card(prune(DIGITS, none, tmp_path / "none", parent=dense))
    assert untrained["training"] == expected | {"epochs": 0}


def test_a_parent_of_another_plan_is_refused(dense, tmp_path):
    for plan, message in (
        (replace(DIGITS, seed=2345), "seed: got 2345, the parent .* has 1234"),
        (replace(DIGITS, recipe="short-10"), "recipe: got short-10, .* has digits-20"),
        (Plan("fashionmnist"), "suite: got fashionmnist, .* has digits"),
    ):
        with pytest.raises(BenchError, match=message) as caught:
            prune(plan, SNIP_AFTER, tmp_path / "out", parent=dense)
        assert caught.value.code == "E-BAD-VALUE"
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
    assert "epochs" not in read_card(of_file)["training"]


def test_a_collapsed_layer_is_flagged_and_scored(dense, tmp_path):
    loaded = load_submission(dense)
    with torch.no_grad():
        loaded.model.network.conv2.weight.zero_()
    record: Submission = described("dead", "lenet5", loaded.model).record
    dead = load_submission(pack(loaded.model, record, tmp_path / "dead"))
    assert dead.flags == ("layer-collapse",)
    assert load_submission(dense).flags == ()
    run, _ = evaluate(dead, load_suite("digits", limit=20))
    assert run.flags == ("layer-collapse",)
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
