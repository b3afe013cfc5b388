"""When each moment prunes, what it rewinds, and how many epochs it takes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.checkpoints import train
from bench.models import prunable
from bench.pruners import PRUNERS
from bench.pruners.moments import after, before, early, imp_epochs, iterative, settled
from bench.recipes import RECIPES, Recipe
from tests.pruners.settings import tiny

RANDOM, IMP = PRUNERS["random"], PRUNERS["imp"]


def sparsities(training):
    return [row.sparsity for row in training.setting.curve]


def weights(training):
    return {name: w.detach().clone() for name, w in prunable(training.model).items()}


def test_before_prunes_and_then_trains_for_all_epochs():
    training = tiny("lenet5")
    before(training, RANDOM, 0.9)
    assert sparsities(training) == [0.9, 0.9]


def test_after_does_not_train_unless_told_to():
    training = tiny("lenet5")
    after(training, PRUNERS["snip-after"], 0.9)
    assert sparsities(training) == []
    training = tiny("lenet5")
    after(training, replace(RANDOM, finetune_epochs=1), 0.9)
    assert sparsities(training) == [0.9]


@pytest.mark.parametrize(("budget", "expected"), [("authors", 7), ("equal", 5)])
def test_early_prunes_after_the_recipes_epochs(budget, expected):
    training = tiny("lenet5", Recipe(epochs=5, early=2, batch_size=10))
    early(training, RANDOM, 0.5, budget=budget)
    assert sparsities(training) == [0.0, 0.0] + [0.5] * (expected - 2)
    assert training.total == expected


def test_early_goes_on_from_the_weights_as_they_are():
    recipe = Recipe(epochs=5, early=2, batch_size=10)
    dense, training = tiny("lenet5", recipe), tiny("lenet5", recipe)
    train(dense, 2)
    early(training, replace(RANDOM, finetune_epochs=0), 0.5)
    for name, weight in weights(training).items():
        kept = training.mask[name]
        assert torch.equal(weight, weights(dense)[name] * kept)


def test_settled_weights_move_less_than_the_share_of_the_first_step():
    assert not settled([0.0], 0.5)
    assert not settled([0.0, 1.0], 0.5)
    assert not settled([0.0, 1.0, 1.5], 0.5)  # not less
    assert settled([0.0, 1.0, 1.49], 0.5)
    assert settled([0.0, 1.0, 1.5, 1.2], 0.5)  # moving back counts as well
    assert not settled([0.0, 1.0, 1.01], 0.0)
    assert settled([0.0, 1.0, 1.0005], 0.0)  # a thousandth, so that it ends at all


@given(st.floats(0.05, 0.95), st.floats(0.06, 0.95))
def test_weights_that_settle_geometrically_fire_when_the_step_is_below_the_share(rho, share):
    """θ(t) = θ(1) + δ(1 − ρ^(t−1)): the step at t is ρ^(t−2) of the first, d(2)."""
    distances = [1 - rho ** (t - 1) for t in range(1, 60)]
    fires = next(t for t in range(2, 60) if settled(distances[:t], share))
    steps = [rho ** (t - 2) for t in range(2, 60)]
    expected = 2 + next(i for i, step in enumerate(steps) if step < share)
    edge = min(abs(step - share) for step in steps)
    assert fires == expected or edge < 1e-9


def test_auto_waits_for_the_cap_where_weights_never_settle():
    training = tiny("lenet5", Recipe(epochs=4, early=1, batch_size=5))
    early(training, replace(RANDOM, finetune_epochs=0), 0.9999, when="auto")
    assert len(training.setting.curve) == 4


def test_auto_prunes_after_the_third_epoch_where_anything_is_settled():
    recipe = Recipe(epochs=9, early=9, batch_size=10, learning_rate=1e-9)
    training = tiny("lenet5", recipe)
    early(training, replace(RANDOM, finetune_epochs=1), 0.0, when="auto")
    assert len(training.setting.curve) == 4
    assert training.kept == {}


def test_the_compressed_schedule_of_fifty_epochs_is_the_authors():
    assert imp_epochs(50) == (7, [9, 15, 21, 27, 33, 39])
    assert imp_epochs(30) == (4, [5, 9, 13, 16, 20, 23])
    assert imp_epochs(1) == (1, [1] * 6)


def test_imp_prunes_at_its_epochs_to_its_targets():
    training = tiny("lenet5", replace(RECIPES["paper-50"], batch_size=10, augment=False))
    iterative(training, IMP, 0.9)
    steps = {9: 0.5, 15: 0.7, 21: 0.8, 27: 0.85, 33: 0.875, 39: 0.9}
    expected, last = [], 0.0
    for epoch in range(50):
        last = steps.get(epoch, last)
        expected.append(last)
    assert sparsities(training) == pytest.approx(expected)


def test_imp_rewinds_weights_and_nothing_else():
    """Of two epochs the last step comes after the second: nothing is trained after it."""
    recipe = Recipe(epochs=2, early=1, batch_size=10)
    dense, training = tiny("lenet5", recipe), tiny("lenet5", recipe)
    train(dense, 1)
    iterative(training, IMP, 0.9)
    for name, weight in weights(training).items():
        assert torch.equal(weight, weights(dense)[name] * training.mask[name])
    ours, first = training.model.network.state_dict(), dense.model.network.state_dict()
    for name in ("conv1.bias", "bn1.weight", "bn1.running_mean"):
        assert not torch.equal(ours[name], first[name])
    steps = {int(state["step"]) for state in training.optimizer.state.values()}
    assert steps == {2}


def test_the_lottery_ticket_removes_a_fifth_a_round_and_returns_in_every_part():
    training = tiny("lenet5", Recipe(epochs=3, early=1, batch_size=10))
    iterative(training, IMP, 0.6, rounds="open-lth")
    seen = sorted(set(sparsities(training)))
    assert seen == pytest.approx([0, 0.2, 0.36, 0.488, 0.5904, 0.6])
    assert len(training.setting.curve) == 3 + 5 * 2
    kept = sum(int(mask.sum()) for mask in training.mask.values())
    assert abs(kept - 142_110 * 0.4) <= 1
    exact = tiny("lenet5", Recipe(epochs=3, early=1, batch_size=10))
    iterative(exact, IMP, 0.36, rounds="open-lth")
    assert len(exact.setting.curve) == 3 + 2 * 2  # log 0.64 / log 0.8 is a little above 2
    assert {int(state["step"]) for state in training.optimizer.state.values()} == {2}
