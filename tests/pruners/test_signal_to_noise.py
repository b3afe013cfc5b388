"""SNR and SNR-S against numbers by hand, after training and during it."""

import pytest
import torch
from torch import nn

from bench.baselines import Cut, Plan, prune
from bench.errors import BenchError
from bench.models import Normalised, build, prunable
from bench.models.mean_field import MeanField
from bench.pruners import PRUNERS
from bench.pruners.options import with_options
from bench.pruners.signal_to_noise import snr, snr_nodes
from bench.recipes import Recipe
from bench.saliency import Scoring
from bench.submissions import load_submission
from tests.pruners.settings import tiny

STD = {"0": 0.5, "2": 0.25}  # of all weights of a layer


def by_hand() -> Normalised:
    """Two layers: weights 1 to 6 and -1 to -4."""
    layers = nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)
    network = MeanField(nn.Sequential(*layers))
    with torch.no_grad():
        layers[0].weight.copy_(torch.arange(1.0, 7).view(2, 3))
        layers[2].weight.copy_(-torch.arange(1.0, 5).view(2, 2))
        for name, rho in network.rho.named_parameters():
            rho.fill_(torch.tensor(STD[name[0]]).expm1().log())
    return Normalised(network)


def test_the_ratio_is_that_of_mean_and_standard_deviation():
    first, second = snr(Scoring(by_hand())).values()
    torch.testing.assert_close(first, torch.tensor([[2.0, 4, 6], [8, 10, 12]]))
    torch.testing.assert_close(second, torch.tensor([[4.0, 8], [12, 16]]))


@pytest.mark.parametrize(
    ("norm", "first", "second"),
    [
        ("sum", [12.0, 30], [12.0, 28]),
        ("mean-fan-in", [4.0, 10], [6.0, 14]),
        ("authors", [2.0, 5], [3.0, 7]),
    ],
)
def test_a_node_has_the_ratios_of_its_incoming_weights(norm, first, second):
    found = snr_nodes(Scoring(by_hand()), norm=norm)
    torch.testing.assert_close(found["network.mean.0.weight"], torch.tensor(first))
    torch.testing.assert_close(found["network.mean.2.weight"], torch.tensor(second))


def test_a_weight_without_noise_is_kept_before_all_others_and_a_pruned_one_goes_first():
    model = by_hand()
    with torch.no_grad():
        for rho in model.network.rho.parameters():
            rho.fill_(-1000.0)
        model.network.mean[0].weight[0, 0] = 0
    found = snr(Scoring(model))["network.mean.0.weight"]
    assert found.isfinite().all()
    assert found[0, 0] == 0
    assert float(found.flatten()[1:].min()) > 1e20


@pytest.mark.parametrize("name", ["snr", "snr-s"])
def test_a_network_without_noise_is_refused(name):
    with pytest.raises(BenchError, match=r"E-BAD-VALUE.*bayesian:lenet5-plain"):
        PRUNERS[name].saliency(Scoring(build("lenet5-plain")))


@pytest.mark.parametrize("name", ["cropit-s", "early-crop-s", "edge-popup"])
def test_pruners_of_single_networks_refuse_a_bayesian_one(name):
    training = tiny("bayesian:lenet5-plain")
    scoring = Scoring(training.model, sparsity=0.5, setting=training.setting)
    with pytest.raises(BenchError, match=r"E-BAD-VALUE.*single network, got a bayesian one"):
        PRUNERS[name].saliency(scoring)


def test_pruning_in_place_removes_the_same_share_four_times_and_goes_on():
    recipe = Recipe(epochs=10, early=1, batch_size=5, kl_weight=0.1)
    training = tiny("bayesian:lenet5-plain", recipe)
    texts = {"moment": "iterative", "rounds": "in-place"}
    row, act, _ = with_options(PRUNERS["snr-s"], texts)
    act(training, row, 0.5)
    curve = training.setting.curve
    assert [point.epoch for point in curve] == list(range(1, 11))
    left = [1 - point.sparsity for point in curve[1::2]]
    assert left == pytest.approx([0.5 ** (step / 4) for step in range(5)])
    assert [point.sparsity for point in curve[::2]] == [point.sparsity for point in curve[1::2]]
    nodes = [len(weight) for weight in prunable(training.model).values()]
    assert sum(nodes[:-1]) == 113


def test_half_of_the_nodes_of_a_trained_network_go_with_their_noise(bayesian, tmp_path):
    cut = Cut("snr-s", 0.5, options={"finetune_epochs": "0", "norm": "mean-fan-in"})
    loaded = load_submission(prune(Plan("digits"), cut, tmp_path / "out", parent=bayesian))
    record, tensors = loaded.record, loaded.model.network.state_dict()
    assert sum(record.widths.values()) == 226 // 2 + 10
    assert record.pruner == "snr-s finetune_epochs=0 norm=mean-fan-in"
    assert (record.kind, record.architecture) == ("bayesian", "lenet5-plain")
    before = load_submission(bayesian).record
    assert 0.5 < record.measured_sparsity < 1
    assert before.measured_sparsity == 0
    for name, tensor in tensors.items():
        assert tensor.shape == tensors[name.replace("rho.", "mean.", 1)].shape


def test_the_worst_half_of_the_weights_of_a_trained_network_goes(bayesian, tmp_path):
    cut = Cut("snr", 0.5, options={"finetune_epochs": "0"})
    loaded = load_submission(prune(Plan("digits"), cut, tmp_path / "out", parent=bayesian))
    parent = load_submission(bayesian).model
    ratios = torch.cat([ratio.flatten() for ratio in snr(Scoring(parent)).values()])
    gone = torch.cat([w.flatten() for w in prunable(loaded.model).values()]) == 0
    assert int(gone.sum()) == 142_110 // 2
    assert float(ratios[gone].max()) <= float(ratios[~gone].min())


def test_rows_fine_tune_for_twenty_epochs_unless_told_otherwise():
    for name in ("snr", "snr-s"):
        assert (PRUNERS[name].moment, PRUNERS[name].finetune_epochs) == ("after", 20)
        assert with_options(PRUNERS[name], {"finetune_epochs": "0"}).pruner.finetune_epochs == 0
        assert PRUNERS[name].scope == "global"
