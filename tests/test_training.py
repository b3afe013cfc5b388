"""Training repeats bit for bit, in one go or killed on the way, and its parts do what they say."""

import csv
import linecache
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from bench.baselines import Cut, Plan, prune, train_dense
from bench.checkpoints import resume, train
from bench.data import ImageSet
from bench.models import Normalised
from bench.pruners import PRUNERS
from bench.recipes import RECIPES, Recipe
from bench.setting import Setting, TrainingSet, crop_and_flip
from bench.submissions import card
from bench.training import Training
from tests.pruners.settings import BAYESIAN_ONLY

DIGITS = Plan("digits")


class Killed(Exception):
    pass


def killing(phase, epoch):
    """Progress that ends the program's work when an epoch of a phase is done."""

    def progress(what, done, total):
        if (what, done) == (phase, epoch):
            raise Killed

    return progress


@pytest.fixture
def few(monkeypatch):
    """The recipe of the digits with twelve epochs of 150 images; imp cuts last after the ninth."""
    recipe = replace(RECIPES["digits-20"], epochs=12, early=2, images=150)
    monkeypatch.setitem(RECIPES, "digits-20", recipe)


def weights(folder):
    return (folder / "weights.safetensors").read_bytes()


def small_setting(**changes):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (96, 1, 6, 6), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 3, (96,), generator=generator)
    fields = {
        "architecture": "lenet5",
        "data": TrainingSet(images, labels),
        "recipe": Recipe(epochs=4, early=1, batch_size=32),
        "stream": DIGITS.stream,
    }
    return Setting(**(fields | changes))


def small_model(seed=0):
    with torch.random.fork_rng():
        torch.random.manual_seed(seed)
        layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout()
        return Normalised(nn.Sequential(*layers, nn.Linear(64, 3)))


QUICK = ("imp",)
MIXED = {
    "edge-popup early": ("edge-popup", {"moment": "early"}, "edge-popup", (1, 3)),
    "edge-popup in steps": ("edge-popup", {"schedule": "halving"}, "edge-popup-2", (1, 2)),
    "imp, open-lth": (
        "imp",
        {"rounds": "open-lth", "structure": "structured"},
        "training",
        (12, 30),
    ),
    "early-crop, auto": ("early-crop", {"when": "auto", "budget": "equal"}, "training", (2, 9)),
    "fine-tuning": ("snip-after", {"finetune_epochs": "3"}, "fine-tuning", (1, 2)),
}


@pytest.mark.slow
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("case", MIXED)
def test_every_kind_of_training_goes_on_where_it_was_killed(case, dense, tmp_path):
    name, options, phase, epochs = MIXED[case]
    cut = Cut(name, 0.5, options=options)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    prune(DIGITS, cut, whole, parent=dense)
    for epoch in epochs:
        with pytest.raises(Killed):
            prune(DIGITS, cut, killed, parent=dense, progress=killing(phase, epoch + 1))
    prune(DIGITS, cut, killed, parent=dense)
    for file in whole.iterdir():
        assert file.read_bytes() == (killed / file.name).read_bytes(), file.name


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in PRUNERS
        if name not in BAYESIAN_ONLY  # see test_variational.py
    ],
)
def test_every_pruner_goes_on_where_it_was_killed_to_the_same_bytes(name, dense, tmp_path):
    phase = "edge-popup" if name.startswith("edge-popup") else "training"
    cut, parent = Cut(name, 0.9), dense
    whole = prune(DIGITS, cut, tmp_path / "whole", parent=parent)
    epochs = len((whole / "curve.csv").read_text().splitlines()) - 1
    killed = tmp_path / "killed"
    for epoch in (2, 5, epochs - 1) if epochs else ():
        with pytest.raises(Killed):
            prune(DIGITS, cut, killed, parent=parent, progress=killing(phase, epoch))
        assert not killed.exists()
    prune(DIGITS, cut, killed, parent=parent)
    for file in whole.iterdir():
        assert file.read_bytes() == (killed / file.name).read_bytes(), file.name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]


@pytest.mark.slow
def test_training_killed_by_the_system_goes_on_to_the_same_bytes(tmp_path):
    recipe = "glow-4-of-1000"
    command = [sys.executable, "-m", "bench", "train", "--recipe", recipe, "--out", "again"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not (found := list(tmp_path.glob(".again.*.unfinished/training.safetensors"))):
        assert process.poll() is None
        time.sleep(0.005)
    checkpoint = found[0]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "again").exists()
    assert checkpoint.is_file()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    whole = train_dense(replace(DIGITS, recipe=recipe), tmp_path / "whole")
    assert weights(tmp_path / "again") == weights(whole)
    assert "Next: bench evaluate again" in done.stderr
    assert not checkpoint.parent.exists()


@pytest.mark.usefixtures("few")
def test_unfinished_work_of_another_plan_is_not_gone_on_with(tmp_path):
    whole = train_dense(DIGITS, tmp_path / "whole")
    for plan in (replace(DIGITS, seed=2345), replace(DIGITS, architecture="lenet5")):
        with pytest.raises(Killed):
            train_dense(plan, tmp_path / "out", progress=killing("training", 3))
    assert weights(train_dense(DIGITS, tmp_path / "out")) == weights(whole)
    assert (whole / "curve.csv").read_bytes() == (tmp_path / "out/curve.csv").read_bytes()
    (left,) = tmp_path.glob(".*")
    assert left.suffix == ".unfinished"  # of the other seed


def test_a_changed_pruner_begins_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "changing_pruner.py"
    text = (
        "from bench.saliency import magnitude\n"
        "def helper(score): return score\n"
        "def own(scoring): return {n: helper(s) for n, s in magnitude(scoring).items()}\n"
    )
    asked = DIGITS, Cut("changing_pruner:own", 0.5)
    out = tmp_path / "out"
    for content in (text, text.replace("return score", "return -score")):
        module.write_text(content)
        sys.modules.pop("changing_pruner", None)
        linecache.clearcache()
        with pytest.raises(Killed):
            prune(*asked, out, progress=killing("training", 2))
    assert len(list(tmp_path.glob(".out.*.unfinished"))) == 2


@pytest.mark.usefixtures("few")
def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path):
    whole = train_dense(DIGITS, tmp_path / "whole")
    with pytest.raises(Killed):
        train_dense(DIGITS, tmp_path / "out", progress=killing("training", 3))
    (checkpoint,) = tmp_path.glob(".out.*.unfinished/training.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert weights(train_dense(DIGITS, tmp_path / "out")) == weights(whole)


def test_the_folder_tells_how_it_was_trained(dense):
    training = card.read_card(dense).training
    assert training == card.Training(suite="digits", recipe="digits-20", seed=1234, epochs=20)
    rows = list(csv.DictReader((dense / "curve.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 21))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 5
    assert float(rows[-1]["accuracy"]) > 0.98
    assert (dense / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("few")
def test_another_seed_or_recipe_gives_other_weights(tmp_path):
    plans = DIGITS, replace(DIGITS, seed=2345), replace(DIGITS, recipe="glow-4-of-1000")
    found = {weights(train_dense(plan, tmp_path / "out")) for plan in plans}
    assert len(found) == len(plans)


def test_one_step_is_adam_on_the_clipped_gradient_of_the_mean_cross_entropy():
    recipe = Recipe(epochs=1, early=1, batch_size=96, weight_decay=0.1, clip=0.01)
    training = Training(small_setting(recipe=recipe), small_model())
    reference = small_model().train()
    adam = torch.optim.Adam(reference.parameters(), lr=2e-3, weight_decay=0.1)
    generator = DIGITS.stream("training 1")
    train(training, 1)
    with torch.random.fork_rng():
        torch.random.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        order = torch.randperm(96, generator=generator)
        data = training.setting.data
        logits = reference(data.images[order].float() / 255)
        nn.functional.cross_entropy(logits, data.labels[order]).backward()
    norm = torch.cat([p.grad.flatten() for p in reference.parameters()]).norm()
    for parameter in reference.parameters():
        parameter.grad *= 0.01 / (norm + 1e-6)
    adam.step()
    for ours, expected in zip(training.model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


def test_weights_outside_the_mask_stay_zero_and_only_they():
    training = Training(small_setting(), small_model())
    training.mask = {"network.0.weight": torch.arange(36).view(4, 1, 3, 3) % 2 == 0}
    train(training, 2)
    weight = training.model.network[0].weight
    assert torch.equal(weight != 0, training.mask["network.0.weight"])
    assert not training.model.training


@pytest.mark.parametrize("channels", [1, 3])
def test_an_optimizer_comes_back_with_its_memory(channels, tmp_path):
    images = torch.randint(0, 256, (64, channels, 6, 6), dtype=torch.uint8)
    data = TrainingSet(images, torch.arange(64) % 3, augment=True)
    setting = partial(small_setting, data=data, checkpoints=tmp_path)

    def model():
        fresh = small_model()
        fresh.network[0] = nn.Conv2d(channels, 4, 3, bias=False)
        with torch.no_grad():
            fresh.network[0].weight.fill_(0.1)
        return fresh

    whole = Training(setting(checkpoints=None), model())
    train(whole, 4)
    first = Training(setting(), model())
    train(first, 2)
    second = Training(setting(), model())
    resume(second)
    assert second.epoch == 2
    train(second, 4)
    for ours, expected in zip(second.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, expected)


def test_a_last_image_alone_joins_the_batch_before():
    data = small_setting().data
    for size, expected in ((95, [96]), (5, [5] * 18 + [6]), (96, [96]), (1, [1] * 94 + [2])):
        batches = data.batches(size, torch.Generator().manual_seed(5))
        assert [len(labels) for _, labels in batches] == expected


def test_batches_are_every_image_once_in_the_stream_s_order():
    data = small_setting().data
    batches = list(data.batches(40, torch.Generator().manual_seed(5)))
    order = torch.randperm(96, generator=torch.Generator().manual_seed(5))
    assert [len(labels) for _, labels in batches] == [40, 40, 16]
    images = torch.cat([images for images, _ in batches])
    assert torch.equal(images, data.images[order].float() / 255)
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.labels[order])


def test_crops_and_flips_move_an_image_by_at_most_four_pixels():
    images = torch.zeros(300, 1, 9, 9)
    images[:, 0, 4, 3] = 1
    moved = crop_and_flip(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    places = {tuple(place[2:].tolist()) for place in moved.nonzero()}
    rows, columns = zip(*places, strict=True)
    assert set(rows) == set(range(9))
    assert set(columns) == set(range(9))  # column 3 or, flipped, 5, each ± 4


def test_a_training_set_is_copied_to_the_device():
    images = ImageSet("x", torch.zeros(2, 1, 3, 3).byte().numpy(), torch.arange(2).numpy(), "")
    data = TrainingSet.on(torch.device("cpu"), images, augment=True)
    assert data.augment
    assert data.images.dtype == torch.uint8
    assert re.fullmatch(r"tensor\(\[0, 1\]\)", repr(data.labels))
