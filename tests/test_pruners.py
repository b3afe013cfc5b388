"""Every row of the table of pruners, and their options."""

import pytest
import torch

from bench import baselines, masks
from bench.baselines import Cut, Plan
from bench.errors import BenchError
from bench.models import ARCHITECTURES, initialised, prunable
from bench.pruners import PRUNERS
from bench.pruners.options import known, with_options
from bench.saliency import Scoring
from bench.submissions import load_submission

SPARSITIES = (0, 0.5, 0.9, 0.98)


def scoring(architecture, mask=None):
    generator = torch.Generator().manual_seed(0)
    channels = ARCHITECTURES[architecture].channels
    side = 28 if channels == 1 else 32
    network = initialised(architecture, classes=10, channels=channels, generator=generator)
    masks.apply(network, mask or {})
    images = torch.rand(4, channels, side, side, generator=generator)
    return Scoring(network, [(images, torch.arange(4))], mask or {}, generator)


@pytest.mark.parametrize("architecture", ["lenet5", "conv6"])
@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_meets_its_sparsity_within_one_weight(name, architecture):
    check_sparsities(name, architecture)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["alexnet", "resnet18", "resnet18-relu"])
@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_meets_its_sparsity_on_the_large_networks(name, architecture):
    check_sparsities(name, architecture)


def check_sparsities(name, architecture):
    scores = PRUNERS[name].saliency(scoring(architecture))
    count = sum(score.numel() for score in scores.values())
    for sparsity in SPARSITIES:
        mask = masks.keep_top(scores, sparsity, PRUNERS[name].scope)
        kept = sum(int(part.sum()) for part in mask.values())
        assert abs(kept - count * (1 - sparsity)) <= 1


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_scores_every_weight_with_a_number_and_nothing_else(name):
    case = scoring("lenet5")
    before = {key: value.clone() for key, value in case.network.state_dict().items()}
    scores = PRUNERS[name].saliency(case)
    shapes = {key: weight.shape for key, weight in prunable(case.network).items()}
    assert {key: score.shape for key, score in scores.items()} == shapes
    assert all(bool(score.isfinite().all()) for score in scores.values())
    after = case.network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_writes_a_submission_of_its_sparsity(name, dense, tmp_path):
    folder = baselines.prune(Plan("digits"), Cut(name, 0.9), tmp_path / "out", parent=dense)
    record = load_submission(folder).record
    assert record.pruner == name
    assert record.moment == PRUNERS[name].moment
    assert abs(record.measured_sparsity - 0.9) <= 1 / 142_110


def test_any_pruner_can_act_after_training(dense, tmp_path):
    cut = Cut("grasp", 0.5, options={"moment": "after", "sign": "neg-abs"})
    record = load_submission(
        baselines.prune(Plan("digits"), cut, tmp_path / "o", parent=dense)
    ).record
    assert (record.pruner, record.moment) == ("grasp sign=neg-abs", "after")
    assert record.slug == "grasp-sign-neg-abs-0.5"


def test_options_become_arguments_of_the_saliency_or_fields_of_the_row():
    texts = {"sign": "neg-abs", "temperature": "2", "score_batches": "3", "schedule": "halving"}
    row, changed = with_options(PRUNERS["grasp"], texts)
    assert row.saliency.keywords == {"sign": "neg-abs", "temperature": 2.0}
    assert (row.score_batches, row.schedule, row.moment) == (3, "halving", "before")
    assert changed == {**row.saliency.keywords, "score_batches": 3, "schedule": "halving"}


def test_an_option_at_its_own_value_makes_no_other_pruner():
    texts = {"sign": "wang", "temperature": "200", "moment": "before", "score_batches": "5"}
    assert with_options(PRUNERS["grasp"], texts)[1] == {}


def test_every_option_has_a_type_that_text_can_become():
    assert set(known(PRUNERS["magnitude"])) == {"moment", "schedule", "score_batches"}
    assert {"sign", "temperature", "loss"} <= set(known(PRUNERS["grasp"]))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"colour": "red"}, "colour.*expected some of"),
        ({"sign": "plus"}, "expected one of .*wang"),
        ({"temperature": "hot"}, "expected float"),
        ({"temperature": "nan"}, "positive"),
        ({"score_batches": "0"}, "positive"),
    ],
)
def test_a_wrong_option_is_refused_with_what_there_is(texts, message):
    with pytest.raises(BenchError, match=message) as caught:
        with_options(PRUNERS["grasp"], texts)
    assert caught.value.code == "E-BAD-VALUE"
