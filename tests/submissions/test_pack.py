"""A pruned network of one's own becomes a submission folder, whatever it was pruned with."""

import copy
from dataclasses import replace

import pytest
import torch
import torch_pruning
from torch.nn.utils import prune
from typer.testing import CliRunner

from bench import load_submission, pack
from bench.cli import app
from bench.errors import BenchError
from bench.models import build, prunable


def images() -> torch.Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    return build("resnet18-relu")


def masked(network):
    """As torch.nn.utils.prune leaves it: 0.9 of all weights, over all layers."""
    layers = [
        (m, "weight") for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)
    ]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.9)
    return network


def narrowed(network):
    """As Torch-Pruning leaves it: half of the channels."""
    pruner = torch_pruning.pruner.MagnitudePruner(
        network,
        images(),
        importance=torch_pruning.importance.MagnitudeImportance(),
        pruning_ratio=0.5,
        ignored_layers=[network.fc],
    )
    pruner.step()
    return network


def untouched(network):
    return network


@pytest.mark.parametrize("made_by", [masked, narrowed, untouched])
def test_a_model_at_hand_is_packed_with_the_answers_that_it_gives(network, made_by, tmp_path):
    own = made_by(network).eval()
    loaded = load_submission(own, architecture="resnet18-relu", mean=(0.0,) * 3, std=(1.0,) * 3)
    folder = pack(loaded.model, replace(loaded.record, slug="mine"), tmp_path / "mine")
    with torch.inference_mode():
        expected, got = own(images()), load_submission(folder).model(images())
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("made_by", "sparsity"), [(masked, 0.9), (narrowed, 0.75), (untouched, 0.0)]
)
def test_a_whole_model_in_a_file_is_packed_without_unpickling_it(
    network, made_by, sparsity, tmp_path
):
    path, own = tmp_path / "whole.pt", made_by(network).eval()
    torch.save(own, path)
    with pytest.raises(BenchError, match=r"E-PICKLED-MODULE.*bench pack.* with --module"):
        load_submission(path)
    command = ["pack", str(path), "--module", "--arch", "resnet18-relu", "--normalize", "cifar10"]
    result = CliRunner().invoke(app, [*command, "--slug", "mine", "--out", str(tmp_path / "mine")])
    assert result.exit_code == 0, result.output
    loaded = load_submission(tmp_path / "mine")
    assert loaded.record.measured_sparsity == pytest.approx(sparsity, abs=0.01)
    assert f"measured sparsity {loaded.record.measured_sparsity:.4f}" in result.output
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model.network(images()), own(images()))


class Traced(torch.nn.Module):
    """Of a user's own, with attributes of all kinds and children of the table's names."""

    def __init__(self, inner):
        super().__init__()
        self.network = inner
        self.history = {(1, 2): [0.5], "kinds": {torch.float32}}
        self.register_buffer("unused", None)

    def forward(self, images):
        return self.network(images)


def test_a_checkpoint_with_a_wrapped_model_is_packed(tmp_path):
    inner = build("lenet5")
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": Traced(inner), "epoch": 3}, path)
    loaded = load_submission(path, architecture="lenet5", pickled_module=True)
    for name, weight in prunable(inner).items():
        assert torch.equal(prunable(loaded.model.network)[name], weight)


def test_a_file_without_a_module_says_so(tmp_path):
    torch.save(build("lenet5").state_dict(), tmp_path / "plain.pt")
    with pytest.raises(BenchError, match=r"E-NOT-A-STATE-DICT.*no pickled module; without --modu"):
        load_submission(tmp_path / "plain.pt", pickled_module=True)


def test_a_module_that_holds_itself_is_refused(tmp_path):
    looped = torch.nn.Sequential(torch.nn.Linear(2, 2))
    looped._modules["again"] = looped
    torch.save(looped, tmp_path / "loop.pt")
    with pytest.raises(BenchError, match="E-BAD-NAME"):
        load_submission(tmp_path / "loop.pt", pickled_module=True)


def test_a_model_of_another_architecture_is_refused(network):
    with pytest.raises(BenchError, match="E-WRONG-WEIGHTS"):
        load_submission(network, architecture="lenet5")


def test_a_model_is_not_changed_by_packing_it(network, tmp_path):
    own = masked(network)
    before = copy.deepcopy(own.state_dict())
    loaded = load_submission(own, architecture="resnet18-relu")
    pack(loaded.model, loaded.record, tmp_path / "mine")
    assert all(torch.equal(before[name], tensor) for name, tensor in own.state_dict().items())
