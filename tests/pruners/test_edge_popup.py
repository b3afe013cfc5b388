"""Edge-popup against closed forms and brute force, and its objectives."""

import math
from dataclasses import replace
from functools import partial
from itertools import combinations

import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.masks import keep_top
from bench.models import Normalised, prunable
from bench.pruners import PRUNERS
from bench.pruners.cutting import cut
from bench.pruners.edge_popup import PATIENCE, Popup, edge_popup
from bench.pruners.objectives import objective_named, split, to_uniform
from bench.recipes import Recipe
from bench.saliency import Scoring
from bench.setting import Setting, TrainingSet
from tests.pruners.settings import linear_model, random_set, tiny

NAME = "network.1.weight"


def scoring_of(model, setting, sparsity, **changes):
    generator = torch.Generator().manual_seed(0)
    return Scoring(model, generator=generator, sparsity=sparsity, setting=setting, **changes)


def linear_setting(data, epochs=20):
    recipe = Recipe(epochs=epochs, early=1, batch_size=64, learning_rate=0.05)
    stream = tiny("lenet5").setting.stream
    return Setting("lenet5", data, recipe, stream, outliers=lambda: data)


def test_the_gradient_of_a_score_is_that_of_the_mask():
    model = linear_model(9, 3)
    images, labels = torch.rand(5, 1, 3, 3), torch.tensor([0, 1, 2, 0, 1])
    model.requires_grad_(False)
    popup = Popup(scoring_of(model, None, 0.5), "kaiming", absolute=False)
    cross_entropy(popup(images), labels).backward()
    weight = model.network[1].weight
    mask = keep_top(popup.saliency(), 0.5)[NAME]
    flat = images.flatten(1)
    residual = (flat @ (weight * mask).T).softmax(1) - torch.eye(3)[labels]
    expected = (residual.T @ flat / 5) * weight
    torch.testing.assert_close(popup.scores[0].grad, expected)


@pytest.mark.parametrize("rank", ["signed", "absolute"])
def test_the_network_is_that_of_the_best_scores_with_exactly_k_weights(rank):
    training = tiny("lenet5")
    images = training.setting.data.images.float() / 255
    scoring = scoring_of(training.model, training.setting, 0.9)
    popup = Popup(scoring, "kaiming", absolute=rank == "absolute").eval()
    mask = keep_top(popup.saliency(), 0.9)
    assert sum(int(part.sum()) for part in mask.values()) == 14_211
    answer = popup(images)
    with torch.no_grad():
        for name, weight in prunable(training.model).items():
            weight *= mask[name]
    assert torch.equal(answer, training.model(images))


def test_first_scores_have_their_distribution():
    training = tiny("lenet5")
    scoring = scoring_of(training.model, training.setting, 0.5)
    kaiming = Popup(scoring, "kaiming", absolute=False).saliency()["network.fc1.weight"]
    assert kaiming.std() == pytest.approx(math.sqrt(2 / 1080), rel=0.01)
    assert kaiming.mean() == pytest.approx(0, abs=1e-3)
    scaled = Popup(scoring, "scaled", absolute=False).saliency()["network.fc1.weight"]
    weight = training.model.network.fc1.weight.detach()
    torch.testing.assert_close(scaled, math.sqrt(6 / 1080) * weight / weight.abs().max())


def test_weights_are_bitwise_unchanged_and_what_is_left_is_of_the_given_network():
    training = tiny("lenet5")
    before = {name: weight.clone() for name, weight in prunable(training.model).items()}
    others = {
        name: value.clone()
        for name, value in training.model.named_parameters()
        if name not in before
    }
    cut(training, PRUNERS["edge-popup"], 0.5)
    for name, weight in prunable(training.model).items():
        assert torch.equal(weight, before[name] * training.mask[name])
    for name, value in training.model.named_parameters():
        if name in others:
            assert torch.equal(value, others[name])
    assert training.model.network.bn1.num_batches_tracked > 0


@pytest.mark.parametrize("seed", range(4))
def test_of_all_halves_of_a_toy_the_best_is_found(seed):
    """y = ⟨w ⊙ m, x⟩ with five of ten weights: brute force and the scores agree."""
    generator = torch.Generator().manual_seed(seed)
    model, inputs = linear_model(10, 1), torch.randn(400, 10, generator=generator)
    weight = model.network[1].weight.requires_grad_(False)
    weight.copy_(torch.randn(1, 10, generator=generator))
    hidden = torch.randperm(10, generator=generator)[:5]
    noise = 0.1 * torch.randn(400, generator=generator)
    target = inputs[:, hidden] @ weight[0, hidden] + noise

    def loss(answers):
        return (answers.flatten() - target).square().mean()

    def masked(chosen):
        return float(loss(inputs[:, list(chosen)] @ weight[0, list(chosen)]))

    best = min(combinations(range(10), 5), key=masked)
    popup = Popup(scoring_of(model, None, 0.5), "kaiming", absolute=False)
    adam = torch.optim.Adam(popup.scores, lr=0.005)
    for _ in range(500):
        adam.zero_grad()
        loss(popup(inputs)).backward()
        adam.step()
    found = keep_top(popup.saliency(), 0.5)[NAME].flatten().nonzero().flatten()
    assert tuple(found.tolist()) == best


def test_the_search_ends_after_five_epochs_without_a_better_one():
    data = TrainingSet(torch.zeros(50, 1, 1, 5, dtype=torch.uint8), torch.zeros(50).long())
    setting = linear_setting(data)
    edge_popup(scoring_of(linear_model(5, 2), setting, 0.5))
    assert len(setting.curve) == 1 + PATIENCE


@pytest.mark.parametrize("objective", ["adversarial", "shift", "outlier"])
def test_an_objective_of_no_strength_is_the_standard_one(objective):
    first, second = tiny("lenet5"), tiny("lenet5")
    plain = edge_popup(scoring_of(first.model, first.setting, 0.5))
    weak = edge_popup(
        scoring_of(second.model, second.setting, 0.5), objective=objective, strength=0
    )
    assert all(torch.equal(plain[name], weak[name]) for name in plain)
    assert first.setting.curve == second.setting.curve


def test_the_cross_entropy_to_uniform_is_least_at_equal_logits():
    logits = torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
    assert to_uniform(torch.full((4, 10), 2.5)) == pytest.approx(math.log(10))
    assert to_uniform(logits) > math.log(10)
    expected = -logits.log_softmax(1).mean()
    torch.testing.assert_close(to_uniform(logits), expected)


def linear_objective(name, strength=None):
    data = random_set(60, (1, 3, 3))
    return objective_named(name, linear_setting(data), strength), data


def test_the_adversarial_loss_is_cross_entropy_and_six_times_the_divergence():
    goal, data = linear_objective("adversarial")
    model = linear_model(9, 3)
    images, labels = data.images.float() / 255, data.labels
    loss, logits = goal.loss(model, images, labels, torch.Generator())
    weight = model.network[1].weight.detach()
    slope = (logits.detach().softmax(1) - torch.eye(3)[labels]) @ weight
    attacked = (images.flatten(1) + 8 / 255 * slope.sign()).clamp(0, 1)
    p, q = logits.detach().log_softmax(1), (attacked @ weight.T).log_softmax(1)
    divergence = (p.exp() * (p - q)).sum(1).mean()
    expected = cross_entropy(logits, labels) + 6 * divergence
    torch.testing.assert_close(loss, expected)
    assert model.training
    right = ((attacked @ weight.T).argmax(1) == labels).float().mean()
    assert goal.quality(model.eval(), data) == pytest.approx(float(right))


def test_the_shift_is_noise_on_half_of_the_values_in_units_of_the_normalised_input():
    goal, _ = linear_objective("shift", 2.0)
    seen = []

    class Seeing(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1)[:, :3]

    model = Normalised(Seeing(), (0.5,), (0.25,))
    images = torch.full((4000, 1, 3, 3), 0.5)
    goal.loss(model, images, torch.zeros(4000).long(), torch.Generator().manual_seed(1))
    noise = (seen[0] - images.sub(0.5).div(0.25)).flatten()
    share = float((noise != 0).float().mean())
    assert share == pytest.approx(0.5, abs=0.01)
    assert float(noise[noise != 0].std()) == pytest.approx(2.0, rel=0.02)


def test_the_outlier_loss_adds_the_cross_entropy_to_uniform_on_training_outliers():
    goal, data = linear_objective("outlier", 0.5)
    model, generator = linear_model(9, 3), torch.Generator().manual_seed(7)
    images, labels = data.images.float() / 255, data.labels
    loss, logits = goal.loss(model, images, labels, generator)
    seen, unseen = split(data, tiny("lenet5").setting.stream("outlier split"))
    assert (len(seen.labels), len(unseen.labels)) == (48, 12)
    drawn = torch.randint(48, (60,), generator=torch.Generator().manual_seed(7))
    wild = model(seen.images[drawn].float() / 255)
    torch.testing.assert_close(loss, cross_entropy(logits, labels) + 0.5 * to_uniform(wild))
    quality = goal.quality(model, data)
    assert 0 <= quality <= 1


def test_a_split_has_every_image_once():
    data = replace(random_set(50, (1, 2, 2)), augment=True)
    seen, unseen = split(data, torch.Generator().manual_seed(0))
    assert (len(seen.labels), len(unseen.labels)) == (40, 10)
    assert (seen.augment, unseen.augment) == (True, False)
    both = torch.cat([seen.images, unseen.images]).flatten(1)
    assert sorted(both.tolist()) == sorted(data.images.flatten(1).tolist())


def test_scores_need_a_setting_to_be_trained_in():
    with pytest.raises(ValueError, match="setting"):
        partial(edge_popup, scoring_of(linear_model(5, 2), None, 0.5))()
