"""A flow is trained on its bits per dimension, resumes to the same bytes, and shows its samples."""

import csv
import io
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from bench.baselines import Cut, Plan, prune, train_dense
from bench.checkpoints import resume, train
from bench.cli.progress import shown
from bench.curves import curve_csv, curve_png
from bench.errors import BenchError
from bench.models import Normalised
from bench.models.flow_steps import ActNorm
from bench.models.glow import fresh_flow
from bench.plans import fresh_model
from bench.recipes import RECIPES, Recipe, default_recipe
from bench.samples import samples_png
from bench.setting import Epoch, Setting
from bench.submissions.card import read_card
from bench.submissions.flow_files import glow_of
from bench.submissions.read import read_weights
from bench.training import Training, classification, likelihood, usual_loss
from tests.models.flows import ADDITIVE, generator, lively
from tests.pruners.settings import random_set

DIGITS = Plan("digits", architecture="glow-tiny")
RECIPE = Recipe(epochs=4, early=1, batch_size=16, weight_decay=0.0)


class Killed(Exception):
    pass


def killing(epoch):
    def progress(what, done, total):
        if what.startswith("training") and done == epoch:
            raise Killed

    return progress


def small(**changes):
    setting = Setting("glow-tiny", random_set(40, (1, 8, 8)), RECIPE, DIGITS.stream)
    model = Normalised(fresh_flow(ADDITIVE, generator()))
    return Training(replace(setting, **changes), model, loss=likelihood)


def test_one_step_is_adam_on_the_mean_bits_per_dimension_of_noisy_images():
    training = small(recipe=replace(RECIPE, batch_size=40))
    flow = fresh_flow(ADDITIVE, generator()).train()
    adam = torch.optim.Adam(flow.parameters(), lr=2e-3)
    stream = DIGITS.stream("training 1")
    torch.randint(2**62, (), generator=stream)
    order = torch.randperm(40, generator=stream)
    images = training.setting.data.images[order].float() / 255
    log_density = flow(images, torch.rand((40, 1, 32, 32), generator=stream))
    loss = -log_density.mean() / (1024 * math.log(2))
    loss.backward()
    adam.step()
    train(training, 1)
    (point,) = training.setting.curve
    assert point.loss == pytest.approx(loss.item(), rel=1e-6)
    assert point.accuracy is None
    compared = 0
    for ours, expected in zip(training.model.parameters(), flow.parameters(), strict=True):
        sure = expected.grad.abs() > 1e-4  # Adam's first step is the sign of the gradient
        torch.testing.assert_close(ours[sure], expected[sure], rtol=1e-4, atol=1e-5)
        compared += int(sure.sum())
    assert compared > 1000


def test_training_lowers_the_bits_and_leaves_rotations_signs_and_bits_alone():
    training = small()
    before = {name: value.clone() for name, value in training.model.named_buffers()}
    train(training, 4)
    losses = [point.loss for point in training.setting.curve]
    assert losses == sorted(losses, reverse=True)
    for name, value in training.model.named_buffers():
        assert name.endswith("initialised") or torch.equal(value, before[name])


def test_a_resumed_flow_ends_in_the_same_bits(tmp_path):
    whole, first, second = small(), small(checkpoints=tmp_path), small(checkpoints=tmp_path)
    train(whole, 4)
    train(first, 2)
    resume(second)
    norms = [module for module in second.model.modules() if isinstance(module, ActNorm)]
    assert all(norm.initialised for norm in norms)
    train(second, 4)
    assert second.setting.curve == whole.setting.curve
    for name, value in second.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name


@pytest.mark.slow
def test_a_pruned_flow_that_is_killed_ends_in_the_same_folder(tmp_path):
    cut = Cut("early-crop", 0.9, "local")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    prune(DIGITS, cut, whole)
    for epoch in (1, 3, 5):
        with pytest.raises(Killed):
            prune(DIGITS, cut, killed, progress=killing(epoch))
    prune(DIGITS, cut, killed)
    for file in whole.iterdir():
        assert file.read_bytes() == (killed / file.name).read_bytes(), file.name


def test_the_folder_of_a_flow_tells_all_of_it(tmp_path):
    said = []
    folder = train_dense(
        replace(DIGITS, seed=2345), tmp_path / "flow", progress=lambda *one: said.append(one)
    )
    card = read_card(folder)
    assert (card.kind, card.model.architecture) == ("flow", "glow-tiny")
    assert (card.input.mean, card.training.recipe) == ([], "glow-4-of-1000")
    rows = list(csv.DictReader((folder / "curve.csv").read_text().splitlines()))
    assert list(rows[0]) == ["phase", "epoch", "loss", "sparsity"]
    losses = [f"{float(row['loss']):.3f}" for row in rows]
    trained = [one for one in said if one[0].startswith("training")]
    assert trained == [(f"training, {bits} bits/dim", at, 4) for at, bits in enumerate(losses, 1)]
    assert float(losses[-1]) < float(losses[0]) - 1
    flow = glow_of(read_weights(folder / "weights.safetensors").tensors)
    assert flow.form == ADDITIVE
    title = "dense: glow-tiny on digits, glow-4-of-1000, seed 2345"
    drawn = samples_png(flow, replace(DIGITS, seed=2345).stream("samples"), title)
    assert (folder / "samples.png").read_bytes() == drawn
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_samples_are_a_grid_of_eight_by_eight_images():
    flow = lively(ADDITIVE)
    picture = Image.open(io.BytesIO(samples_png(flow, generator(), "title"))).convert("RGB")
    assert picture.size == (600, 640)
    shades = {colour for _, colour in picture.getcolors(2**20)}
    greys = {(red, red, red) for red in range(256)}
    assert len(shades & greys) > 30  # those of the 32 bins
    assert samples_png(flow, generator(), "title") == samples_png(flow, generator(), "title")


def test_a_curve_without_accuracy_has_no_such_column():
    flow = [Epoch("training", 1, 3.25, None, 0.0), Epoch("training", 2, 2.5, None, 0.9)]
    assert curve_csv(flow) == (
        b"phase,epoch,loss,sparsity\ntraining,1,3.25,0\ntraining,2,2.5,0.9\n"
    )
    both = [point._replace(accuracy=0.5) for point in flow]
    assert curve_csv(both).startswith(b"phase,epoch,loss,accuracy,sparsity\ntraining,1,3.25,0.5,0")
    assert curve_png(flow, "x") != curve_png(both, "x")


def test_progress_that_tells_of_the_moment_is_one_work(capsys):
    with shown(quiet=False) as report:
        report("training, 4.000 bits/dim", 1, 2)
        report("training, 3.000 bits/dim", 2, 2)
    assert capsys.readouterr().err.splitlines() == ["training, 3.000 bits/dim: 2/2, 0 s left"]


def test_a_flow_is_trained_on_its_likelihood_and_a_classifier_on_its_labels():
    assert usual_loss(Normalised(lively(ADDITIVE))) is likelihood
    assert usual_loss(fresh_model(Plan("digits"))) is classification


def test_a_fresh_flow_takes_images_as_they_are_and_is_the_same_for_a_seed():
    first, again = fresh_model(DIGITS), fresh_model(DIGITS)
    assert first.mean == first.std == ()
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    other = fresh_model(replace(DIGITS, seed=2345)).state_dict()
    assert any(not torch.equal(value, other[name]) for name, value in first.state_dict().items())


def test_a_flow_of_grey_images_is_not_trained_on_colours():
    with pytest.raises(BenchError, match="glow-small: is of images of one channel, cifar10 has 3"):
        fresh_model(Plan("cifar10", architecture="glow-small"))


def test_the_recipe_of_the_paper_is_as_in_its_appendix():
    recipe = RECIPES["glow-paper"]
    steps = recipe.epochs * math.ceil(60_000 / recipe.batch_size)
    assert abs(steps - 100_000) < 60_000 / recipe.batch_size
    assert (recipe.batch_size, recipe.learning_rate, recipe.images) == (64, 1e-5, None)
    assert default_recipe("fashionmnist", "glow") == "glow-paper"
    assert default_recipe("digits", "glow-tiny") == "glow-4-of-1000"
