"""Every row of the table of pruners, at every moment, in every structure and scope."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch

from bench import baselines
from bench.baselines import Cut, Plan
from bench.errors import BenchError
from bench.models import Normalised, architecture, prunable
from bench.models.channels import channel_slices
from bench.pruners import PRUNERS
from bench.pruners.cutting import cut
from bench.pruners.moments import MOMENTS
from bench.pruners.named import pruner_named
from bench.pruners.options import known, with_options
from bench.recipes import Recipe
from bench.saliency import Scoring
from bench.submissions import load_submission
from bench.training import Training
from tests.pruners.settings import BAYESIAN_ONLY, tiny, tiny_for

SPARSITIES = (0, 0.5, 0.9, 0.98)
ONE_STEP = Recipe(epochs=1, early=1, batch_size=10)
LARGE = ("conv6", "alexnet", "resnet18")
QUICK = ("snip", "early-crop", "edge-popup-after", "cropit-s")


def check_sparsity(training: Training[Normalised], structure: str, sparsity: float) -> None:
    """Within one weight, or one channel; and what is left is there to be counted."""
    name, network = training.setting.architecture, training.model.network
    if structure == "unstructured":
        weights = prunable(network).values()
        whole, left = sum(w.numel() for w in weights), sum(int(w.count_nonzero()) for w in weights)
        assert abs(left - whole * (1 - sparsity)) <= 1
        return
    full = architecture(name).widths
    parts = {layer: slices[0] for layer, slices in channel_slices(name).items()}
    tensors = network.state_dict()
    left = {layer: tensors[part.tensor].shape[part.dim] for layer, part in parts.items()}
    assert min(left.values()) >= 1
    assert abs(sum(left.values()) - max(len(full), sum(full.values()) * (1 - sparsity))) <= 1


def check_sparsities(
    name: str, fresh: Callable[[], Training[Normalised]], sparsities: Iterable[float] = SPARSITIES
) -> None:
    for sparsity in sparsities:
        training = fresh()
        cut(training, PRUNERS[name], sparsity)
        check_sparsity(training, PRUNERS[name].structure, sparsity)
        assert (training.cuts, training.sparsity) == (1, sparsity)


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_meets_its_sparsity_within_one_weight(name):
    check_sparsities(name, lambda: tiny_for(name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "network"),
    [
        (name, network)
        for name in {row.saliency: name for name, row in PRUNERS.items()}.values()
        for network in (("bayesian:conv6-plain",) if name in BAYESIAN_ONLY else LARGE)
    ],
)
def test_every_saliency_meets_its_sparsity_on_the_large_networks(name, network):
    check_sparsities(name, lambda: tiny(network, ONE_STEP), (0.98,))


@pytest.mark.parametrize("scope", ["global", "local"])
@pytest.mark.parametrize("structure", ["unstructured", "structured"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_acts_at_every_moment_in_every_structure_and_scope(
    name, moment, structure, scope
):
    training = tiny_for(name)
    texts = {"moment": moment, "structure": structure}
    if PRUNERS[name].structure == "structured" and structure == "unstructured":
        with pytest.raises(BenchError, match="scores channels"):
            with_options(PRUNERS[name], texts)
        return
    row, act, _ = with_options(PRUNERS[name], texts)
    act(training, replace(row, scope=scope, finetune_epochs=row.finetune_epochs and 1), 0.75)
    assert training.sparsity == 0.75
    if scope == "global":
        check_sparsity(training, structure, 0.75)
    answer = training.model(torch.rand(2, 1, 28, 28))
    assert answer.shape == (2, 10)
    assert answer.isfinite().all()


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_scores_every_weight_with_a_number_and_leaves_the_network_alone(name):
    training = tiny_for(name)
    model, data = training.model, training.setting.data
    before = {key: value.clone() for key, value in model.named_parameters()}
    scoring = Scoring(
        model,
        [(data.images.float() / 255, data.labels)],
        generator=torch.Generator().manual_seed(0),
        sparsity=0.5,
        setting=training.setting,
    )
    scores = PRUNERS[name].saliency(scoring)
    weights = prunable(model)
    assert set(scores) == set(weights)
    for key, score in scores.items():
        assert score.shape in (weights[key].shape, weights[key].shape[:1])
        assert score.isfinite().all()
        assert not score.requires_grad
    for key, value in model.named_parameters():
        assert torch.equal(before[key], value)
        assert value.requires_grad
        assert value.grad is None


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in PRUNERS]
)
def test_every_pruner_writes_a_submission_of_its_sparsity(name, dense, bayesian, tmp_path):
    parent = bayesian if name in BAYESIAN_ONLY else dense
    options = {"finetune_epochs": "0"} if name in BAYESIAN_ONLY else {}
    cut = Cut(name, 0.9, options=options)
    folder = baselines.prune(Plan("digits"), cut, tmp_path / "out", parent=parent)
    record, row = load_submission(folder).record, PRUNERS[name]
    assert record.pruner == " ".join([name, *(f"{key}={options[key]}" for key in options)])
    assert (record.moment, record.structure) == (row.moment, row.structure)
    assert record.declared_sparsity == 0.9
    if row.structure == "unstructured":
        assert abs(record.measured_sparsity - 0.9) <= 1 / 142_110
    else:
        assert record.measured_sparsity > 0.9
        assert sum(record.widths.values()) == 22 + 10


def test_any_pruner_can_act_after_training(dense, tmp_path):
    cut = Cut("grasp", 0.5, options={"moment": "after", "sign": "neg-abs"})
    record = load_submission(
        baselines.prune(Plan("digits"), cut, tmp_path / "o", parent=dense)
    ).record
    assert (record.pruner, record.moment) == ("grasp sign=neg-abs", "after")
    assert record.slug == "grasp-sign-neg-abs-0.5"


def test_options_become_arguments_of_the_saliency_or_fields_of_the_row():
    texts = {"sign": "neg-abs", "temperature": "2", "score_batches": "3", "schedule": "halving"}
    row, _, changed = with_options(PRUNERS["grasp"], texts)
    assert row.saliency.keywords == {"sign": "neg-abs", "temperature": 2.0}
    assert (row.score_batches, row.schedule, row.moment) == (3, "halving", "before")
    assert changed == {**row.saliency.keywords, "score_batches": 3, "schedule": "halving"}


def test_an_option_at_its_own_value_makes_no_other_pruner():
    texts = {"sign": "wang", "temperature": "200", "moment": "before", "score_batches": "5"}
    assert with_options(PRUNERS["grasp"], texts).changed == {}


def test_every_option_has_a_type_that_text_can_become():
    row = {
        "moment",
        "structure",
        "schedule",
        "score_batches",
        "finetune_epochs",
        "glow_scope",
    }
    assert set(known(PRUNERS["magnitude"])) == row
    assert set(known(PRUNERS["imp"])) == row | {"rounds"}
    assert {"sign", "temperature", "loss"} <= set(known(PRUNERS["grasp"]))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"colour": "red"}, "colour.*expected some of"),
        ({"sign": "plus"}, "expected one of .*wang"),
        ({"temperature": "hot"}, "expected float"),
        ({"temperature": "nan"}, "expected a number from"),
        ({"temperature": "0"}, "expected a number from"),
        ({"score_batches": "0"}, "expected a number from 1"),
        ({"when": "auto"}, "when.*expected some of"),
        ({"moment": "late"}, "expected one of .*iterative"),
        ({"moment": "iterative", "finetune_epochs": "3"}, "ends with its training"),
    ],
)
def test_a_wrong_option_is_refused_with_what_there_is(texts, message):
    with pytest.raises(BenchError, match=message) as caught:
        with_options(PRUNERS["grasp"], texts)
    assert caught.value.code == "E-BAD-VALUE"


def test_a_moment_brings_its_own_options():
    texts = {"moment": "early", "when": "auto", "budget": "equal", "finetune_epochs": "0"}
    _, act, changed = with_options(PRUNERS["snip"], texts)
    assert act.func is MOMENTS["early"]
    assert act.keywords == {"when": "auto", "budget": "equal"}
    assert changed["finetune_epochs"] == 0


def test_a_name_close_to_one_of_the_table_is_suggested():
    assert pruner_named("magnitude-after") == ("magnitude", PRUNERS["magnitude"])
    with pytest.raises(BenchError, match="did you mean cropit"):
        pruner_named("cropitt")
