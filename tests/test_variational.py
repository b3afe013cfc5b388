"""Bayesian training: its objective, its rate, its recipes; and it goes on where it was killed."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import ReduceLROnPlateau

from bench.baselines import Cut, Plan, prune, train_dense
from bench.errors import BenchError
from bench.models import build
from bench.recipes import RECIPES, Recipe, default_recipe
from bench.setting import Epoch
from bench.submissions import card, load_submission
from bench.training import classification, train_epoch
from bench.variational import objective
from tests.pruners.settings import tiny

DIGITS = Plan("digits", "bayesian:lenet5-plain", recipe="bayesian-digits-3")
HALF = {"finetune_epochs": "3"}
IN_PLACE = {"moment": "iterative", "rounds": "in-place"}


class Killed(Exception):
    pass


def killing(epoch):
    """Progress that ends the program's work when an epoch is done."""

    def progress(what, done, total):
        if what in ("training", "fine-tuning") and done == epoch:
            raise Killed

    return progress


@pytest.fixture(autouse=True)
def short_recipe(monkeypatch):
    for epochs in (3, 4):  # 4 is that of the fixture `bayesian`
        short = replace(RECIPES["bayesian-digits-20"], epochs=epochs)
        monkeypatch.setitem(RECIPES, f"bayesian-digits-{epochs}", short)


def batch():
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    return images, torch.arange(6) % 3


@pytest.mark.parametrize("reverse", [False, True])
def test_the_objective_is_the_error_of_one_sample_and_a_share_of_the_divergence(reverse):
    recipe = Recipe(epochs=1, early=1, kl_weight=0.3, reverse_kl=reverse)
    training = tiny("bayesian:lenet5-plain", recipe)
    network, (images, labels) = training.model.network, batch()
    loss, logits = training.loss(training.model, images, labels, torch.Generator().manual_seed(2))
    member = build("lenet5-plain")
    member.load_state_dict(network.sampled(torch.Generator().manual_seed(2)))
    torch.testing.assert_close(logits, member((images - 0.5) / 0.5), rtol=1e-4, atol=1e-5)
    total = 0.0
    for name, mean in network.means.items():
        own, prior = Normal(mean, network.stds[name]), Normal(torch.zeros_like(mean), 0.1)
        pair = (prior, own) if reverse else (own, prior)
        total += float(kl_divergence(*pair).double().sum().detach())
    count = len(training.setting.data.labels)
    expected = float(cross_entropy(logits, labels).detach()) + 0.3 * total / count
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())


def test_another_network_is_trained_on_the_cross_entropy():
    training = tiny("lenet5-plain")
    assert objective(training.model, training.setting) is classification


def test_the_rate_drops_as_pytorch_s_scheduler_drops_it():
    generator = torch.Generator().manual_seed(0)
    losses = (torch.randint(90, 100, (50,), generator=generator) / 100).tolist()
    recipe = replace(RECIPES["bayesian-200"], learning_rate=1.0)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, patience=6)
    for done, loss in enumerate(losses):
        assert recipe.rate(losses[:done]) == pytest.approx(optimizer.param_groups[0]["lr"])
        scheduler.step(loss)
    assert recipe.rate(losses) < 1e-3
    assert replace(recipe, patience=None).rate(losses) == 1


def test_an_epoch_has_the_rate_of_the_losses_since_the_last_cut():
    training = tiny("lenet5-plain", replace(RECIPES["bayesian-200"], patience=1))
    training.setting.curve[:] = [Epoch("training", n, 1.0, 0.5, 0.0) for n in (1, 2, 3)]
    for sparsity, rate in ((0.0, 1e-4), (0.5, 1e-3)):
        training.sparsity = sparsity
        train_epoch(training)
        assert training.optimizer.param_groups[0]["lr"] == pytest.approx(rate)


@pytest.mark.parametrize(
    ("network", "recipe"), [("bayesian:lenet5-plain", "digits-20"), ("lenet5", "bayesian-10")]
)
def test_a_recipe_of_the_other_kind_is_refused(network, recipe, tmp_path):
    with pytest.raises(BenchError, match=r"E-BAD-VALUE.*expected one of"):
        train_dense(Plan("digits", network, recipe=recipe), tmp_path / "out")


def test_bayesian_recipes_are_those_of_the_paper_s_code_and_shorter_ones():
    recipe = RECIPES["bayesian-200"]
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (200, 256, 1e-3)
    assert (recipe.patience, recipe.kl_weight, recipe.weight_decay) == (6, 0.1, 0.0)
    assert replace(recipe, reverse_kl=True) == RECIPES["bayesian-200-reverse-kl"]
    assert default_recipe("cifar10", "bayesian:conv6-plain") == "bayesian-200"
    assert default_recipe("digits", "bayesian:lenet5-plain") == "bayesian-digits-20"
    assert default_recipe("cifar10", "conv6-plain") == "paper-50"


def check_resumes(whole, again, tmp_path):
    for epoch in (1, 2):
        with pytest.raises(Killed):
            again(tmp_path / "killed", killing(epoch))
    again(tmp_path / "killed", lambda *_: None)
    for file in whole.iterdir():
        assert file.read_bytes() == (tmp_path / "killed" / file.name).read_bytes(), file.name


@pytest.mark.slow
def test_training_goes_on_where_it_was_killed(tmp_path):
    whole = train_dense(DIGITS, tmp_path / "whole")
    check_resumes(whole, lambda out, seen: train_dense(DIGITS, out, progress=seen), tmp_path)
    training = card.read_card(whole).training
    assert (training.recipe, training.epochs) == ("bayesian-digits-3", 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pruner", "options"), [("snr-s", HALF), ("snr", HALF), ("snr-s", IN_PLACE), ("snr", IN_PLACE)]
)
def test_pruning_goes_on_where_it_was_killed(pruner, options, bayesian, tmp_path):
    cut, plan = Cut(pruner, 0.5, options=options), replace(DIGITS, recipe=None)

    def again(out, seen):
        return prune(plan, cut, out, parent=bayesian, progress=seen)

    whole = again(tmp_path / "whole", lambda *_: None)
    check_resumes(whole, again, tmp_path)
    assert load_submission(whole).record.recipe == "bayesian-digits-4"
