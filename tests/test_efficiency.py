"""What ensembles cost beside one dense network."""

import json
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from bench.cli import app
from bench.cost import peak_of, time_ratios
from bench.efficiency import efficiency
from bench.models import Normalised, build
from bench.models.ensemble import Ensemble
from bench.setting import TrainingSet
from bench.submissions import assemble

FLOAT = 4  # bytes
CPU = torch.device("cpu")


class Linear(nn.Module):
    """Its memory is known by hand, and its time."""

    def __init__(self, inputs: int = 784, classes: int = 10) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, classes, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(0.05)
        return self.fc(images.flatten(1))


def batch(count: int = 20) -> TrainingSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return TrainingSet(images, torch.arange(count) % 10)


def test_several_works_take_turns_in_alternating_order_after_a_warm_up() -> None:
    calls: list[str] = []
    reports: list[tuple[int, int]] = []
    works = {name: lambda name=name: calls.append(name) for name in "abc"}
    time_ratios(works, "a", CPU, 3, lambda what, done, total: reports.append((done, total)))
    assert calls == [*"abc", *"cba", *"abc", *"cba", *"abc"]
    assert reports == [(done, 5) for done in range(1, 6)]


def test_the_one_that_is_compared_with_is_once_itself_without_error() -> None:
    ratios = time_ratios({"dense": lambda: None, "other": lambda: None}, "dense", CPU, 4)
    assert ratios["dense"] == (1, 0)


def test_memory_of_a_backward_pass_is_known_by_hand() -> None:
    """Weight, image, answer, its sum; then the slope of the sum, and of answer and weight."""
    weight, image = torch.ones(50, 30, requires_grad=True), torch.ones(1, 30)

    def work() -> None:
        (image @ weight.T).sum().backward()

    standing, answer = FLOAT * (50 * 30 + 30), FLOAT * 50
    peak = peak_of(work, [weight, image])
    assert standing + FLOAT * 50 * 30 < peak <= standing + FLOAT * (50 * 30 + 4) + 2 * answer


def test_as_many_members_take_as_many_weights_gradients_and_moments() -> None:
    dense = Normalised(Linear())
    five = Normalised(Ensemble([Linear() for _ in range(5)]))
    (found,) = efficiency([five], dense, batch(2), rounds=2)
    assert found.training_memory == pytest.approx(5, rel=0.15)
    assert 4 < found.inference_memory < 5  # the images are there once
    assert found.training.value == pytest.approx(5, rel=0.3)
    assert found.inference.value == pytest.approx(5, rel=0.3)
    assert found.training.stderr > 0


def test_the_models_are_left_as_they_are() -> None:
    network = build("lenet5")
    model = Normalised(network, (0.5,), (0.5,))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    drawn = torch.random.get_rng_state()
    (found,) = efficiency([model], model, batch(), rounds=2)
    assert found.training_memory == found.inference_memory == found.training.value == 1
    assert not network.training
    assert torch.equal(torch.random.get_rng_state(), drawn)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_command_prints_a_table_and_writes_json(dense: Path, tmp_path: Path) -> None:
    three = assemble([dense] * 3, tmp_path / "three")
    out = tmp_path / "efficiency.json"
    words = ["efficiency", str(dense), str(three), "--dense", str(dense), "--rounds", "2"]
    result = CliRunner().invoke(app, [*words, "--json", str(out), "--quiet"])
    assert result.exit_code == 0, result.output
    assert "training step" in result.output
    found = json.loads(out.read_text())
    assert (found["images"], found["rounds"], found["suite"]) == (250, 2, "digits")
    assert [row["networks"] for row in found["models"]] == [1, 3]
    one, several = found["models"]
    assert one["training_memory"] == one["inference_memory"] == 1
    assert several["training"]["value"] > one["training"]["value"]
    assert several["training_memory"] > 1


def test_a_model_of_other_images_is_refused(dense: Path) -> None:
    words = ["efficiency", str(dense), "--dense", str(dense), "--suite", "cifar10"]
    result = CliRunner().invoke(app, words)
    assert getattr(result.exception, "code", result.exception) == "E-BAD-OUTPUT"
