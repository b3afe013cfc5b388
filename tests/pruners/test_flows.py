"""Flows are pruned within their couplings, once they have been trained a little."""

from dataclasses import replace

import pytest
import torch

from bench import saliency
from bench.baselines import Cut, Plan, prune
from bench.errors import BenchError
from bench.masks import keep_top
from bench.models import Normalised, prunable
from bench.models.glow import fresh_flow
from bench.pruners import PRUNERS
from bench.pruners.cutting import cut
from bench.pruners.moments import MOMENTS
from bench.recipes import Recipe
from bench.saliency import Scoring
from bench.setting import Setting
from bench.training import Training, likelihood
from tests.models.flows import ADDITIVE, generator, lively
from tests.pruners.settings import random_set

DIGITS = Plan("digits", architecture="glow-tiny")
EARLY_CROP = PRUNERS["early-crop"]


def small() -> Training[Normalised]:
    recipe = Recipe(epochs=2, early=1, batch_size=16, weight_decay=0.0)
    setting = Setting("glow-tiny", random_set(80, (1, 8, 8)), recipe, DIGITS.stream)
    return Training(setting, Normalised(fresh_flow(ADDITIVE, generator())), loss=likelihood)


def zeros(model):
    return {name: int((weight == 0).sum()) for name, weight in prunable(model).items()}


def test_local_pruning_leaves_every_tensor_its_share_through_training():
    training = small()
    MOMENTS["early"](training, replace(EARLY_CROP, scope="local"), 0.5)
    assert training.epoch == 3
    weights = prunable(training.model)
    assert len(weights) == 12
    assert zeros(training.model) == {
        name: w.numel() - w.numel() // 2 for name, w in weights.items()
    }
    kept = {name for name, weight in weights.items() if weight.count_nonzero()}
    assert kept == set(weights)
    others = set(dict(training.model.named_parameters())) - set(weights)
    assert not others & set(training.mask)


def test_the_last_code_of_the_paper_prunes_the_last_convolutions_of_the_first_level():
    training = small()
    row = replace(EARLY_CROP, scope="local", glow_scope="block0-last")
    MOMENTS["early"](training, row, 0.75)
    last = {f"network.levels.0.steps.{step}.coupling.conv3.weight" for step in (0, 1)}
    assert set(training.mask) == last
    counts = {name: weight.numel() for name, weight in prunable(training.model).items()}
    assert zeros(training.model) == {n: c * 3 // 4 if n in last else 0 for n, c in counts.items()}


def bits(flow, images):
    return flow.bits_per_dimension(flow(images)).mean()


def test_snip_of_a_flow_is_the_slope_of_its_bits_per_dimension():
    flow, images, labels = lively(ADDITIVE), torch.rand(6, 1, 8, 8), torch.zeros(6).long()
    batches = [(images[:4], labels[:4]), (images[4:], labels[4:])]
    found = saliency.snip(Scoring(Normalised(flow), batches))
    name = "levels.1.steps.0.coupling.conv2.weight"
    weight = prunable(flow)[name]
    (slope,) = torch.autograd.grad(bits(flow, images), [weight])
    expected = (weight * slope).abs()
    torch.testing.assert_close(found[f"network.{name}"], expected, rtol=1e-3, atol=1e-9)
    flow.double()
    flat, at = weight.data.view(-1), int(expected.argmax())
    value, sides = flat[at].clone(), []
    for factor in (1.001, 0.999):
        flat[at] = value * factor
        sides.append(bits(flow, images.double()).item())
    assert abs(sides[0] - sides[1]) / 0.002 == pytest.approx(expected.max().item(), rel=1e-2)


def test_crop_of_a_flow_is_the_same_in_one_batch_and_in_parts():
    flow, images, labels = lively(ADDITIVE), torch.rand(6, 1, 8, 8), torch.zeros(6).long()
    whole = saliency.crop(Scoring(flow, [(images, labels)]))
    parts = [(images[:4], labels[:4]), (images[4:], labels[4:])]
    for name, score in saliency.crop(Scoring(flow, parts)).items():
        torch.testing.assert_close(score, whole[name], rtol=1e-3, atol=1e-7)


def test_a_flow_is_scored_in_small_parts_of_the_same_images():
    seen = []

    def looking(scoring):
        seen.extend(len(labels) for _, labels in scoring.batches)
        return saliency.magnitude(scoring)

    training = small()
    cut(training, replace(EARLY_CROP, saliency=looking), 0.5)
    assert seen == [64, 16]
    expected = keep_top(saliency.magnitude(Scoring(small().model)), 0.5)
    for name, mask in training.mask.items():
        assert torch.equal(mask, expected[name])


REFUSED = {
    "snip": ({}, "snip prunes before training, when the last convolution of every coupling"),
    "early-crop-s": ({}, "early-crop-s removes channels"),
    "magnitude": ({"moment": "early", "structure": "structured"}, "magnitude removes channels"),
    "edge-popup": ({"moment": "early"}, "edge-popup trains for accuracy"),
    "early-crop": ({"loss": "neg-logit"}, "loss: is of classifiers, glow-tiny is a flow"),
    "grasp": ({"moment": "early", "temperature": "2"}, "temperature: is of classifiers"),
    "imp": ({"glow_scope": "all"}, "glow_scope: got 'all', expected one of couplings, block0-last"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_for_a_flow_is_refused(name, tmp_path):
    options, message = REFUSED[name]
    with pytest.raises(BenchError, match=f"E-BAD-VALUE: {message}"):
        prune(DIGITS, Cut(name, 0.5, options=options), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_scope_of_flows_is_refused_for_a_classifier(tmp_path):
    options = {"glow_scope": "block0-last"}
    with pytest.raises(BenchError, match="E-BAD-VALUE: glow_scope: lenet5 is no flow"):
        prune(Plan("digits"), Cut("early-crop", 0.5, options=options), tmp_path / "out")
