import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.inspecting import remarks
from bench.errors import BenchError
from bench.inspection import image_shape, inspect
from bench.inspection_chart import inspection_png
from bench.models import Normalised, build, prunable
from bench.records import Submission
from bench.submissions import described, pack


class Chain(nn.Module):
    """Four numbers to three hidden ones to two logits."""

    def __init__(self, first: list[list[float]], second: list[list[float]]) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 3), nn.Linear(3, 2)
        self.fc1.weight = nn.Parameter(torch.tensor(first))
        self.fc2.weight = nn.Parameter(torch.tensor(second))

    def forward(self, images: Tensor) -> Tensor:
        return self.fc2(functional.relu(self.fc1(images.flatten(1))))


def layer(found, name):
    return next(row for row in found.layers if row.name == name)


def linear(weight: Tensor) -> nn.Sequential:
    network = nn.Sequential(nn.Flatten(), nn.Linear(*reversed(weight.shape)))
    network[1].weight = nn.Parameter(weight)
    return network


def test_a_two_layer_net_keeps_the_weights_on_its_known_paths():
    # Hidden 0 has inputs and a logit, hidden 1 no input, hidden 2 no logit.
    network = Chain(
        [[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.5]],
        [[3.0, 1.0, 0.0], [0.0, -1.0, 0.0]],
    )
    found = inspect(network, None, (1, 2, 2), None)
    first, second = found.layers
    assert (first.dense, first.nonzero, first.effective) == (12, 4, 2)
    assert (second.dense, second.nonzero, second.effective) == (6, 3, 1)
    assert (first.sparsity, first.effective_sparsity) == (1 - 4 / 12, 1 - 2 / 12)
    assert (first.channels, first.dead) == (3, 2)
    assert (second.channels, second.dead) == (2, 1)
    total = found.total
    assert (total.dense, total.nonzero, total.effective, total.dead) == (18, 7, 3, 3)
    assert total.effective_sparsity == 1 - 3 / 18
    assert found.collapsed == ()


@pytest.mark.parametrize("side", ["incoming", "outgoing", "scale"])
def test_a_dead_channel_takes_the_weights_before_and_after_it(side):
    network = build("lenet5")
    tensors = network.state_dict()
    if side == "incoming":
        tensors["conv2.weight"][5] = 0
    elif side == "outgoing":
        tensors["conv3.weight"][:, 5] = 0
    else:
        tensors["bn2.weight"][5] = 0
    found = inspect(network, None, (1, 28, 28), None)
    assert layer(found, "conv1").effective == 150
    assert layer(found, "conv2").effective == 2400 - 6 * 25
    assert layer(found, "conv2").dead == 1
    assert layer(found, "conv3").effective == 48_000 - 120 * 25
    assert layer(found, "fc1").effective == 90_720
    assert found.total.effective == 142_110 - 6 * 25 - 120 * 25


def test_a_network_without_a_path_is_collapsed_in_every_layer():
    network = build("lenet5")
    network.conv2.weight.data.zero_()
    found = inspect(network, None, (1, 28, 28), None)
    assert found.collapsed == ("conv1", "conv2", "conv3", "fc1", "fc2")
    assert found.total.effective == 0
    assert found.total.effective_sparsity == 1
    assert remarks(found, declaring(None)) == [
        "Collapsed: no path of nonzero weights leads from the image to a logit."
    ]


def test_removed_weights_of_a_narrow_network_count_as_zeros():
    widths = {"conv1": 3, "conv2": 8, "conv3": 60, "fc1": 42}
    narrow, dense = build("lenet5", widths=widths), build("lenet5")
    found = inspect(narrow, dense, (1, 28, 28), None)
    conv2 = layer(found, "conv2")
    assert (conv2.shape, conv2.dense, conv2.nonzero) == ((8, 3, 5, 5), 2400, 600)
    assert conv2.sparsity == conv2.effective_sparsity == 0.75
    assert (conv2.channels, conv2.dead) == (8, 0)
    nonzero = 3 * 25 + 8 * 75 + 60 * 200 + 42 * 540 + 420
    assert (found.total.dense, found.total.nonzero) == (142_110, nonzero)
    assert found.total.sparsity == 1 - nonzero / 142_110


@pytest.mark.parametrize(
    ("row", "pattern"),
    [
        ([1, 0, 0, 0, 0, 0, 0, 0], "1:8"),
        ([1, 0, 0, 0, 0, 0, 1, 0], "1:4"),
        ([1, 1, 0, 0, 0, 0, 0, 0], "2:8"),
        ([1, 0, 1, 0, 0, 1, 0, 1], "1:2"),
        ([1, 1, 0, 0, 0, 1, 1, 0], "2:4"),
        ([1, 1, 1, 1, 0, 0, 0, 0], "4:8"),
        ([1, 1, 1, 1, 1, 0, 0, 0], None),
        ([1, 1, 0, 0, 0, 0, 1, 1, 1, 0], "2:4"),  # the last two are a group as they are
        ([1, 0, 0, 0, 0, 0, 1, 0, 1, 1], "2:8"),
        ([1, 0, 0, 0], "1:4"),  # not 1:8, of which there is no whole group
        ([1, 0, 0], "1:2"),
        ([1], None),
        ([0, 0, 0, 0], None),
    ],
)
def test_the_strictest_pattern_that_holds_is_claimed(row, pattern):
    found = inspect(linear(torch.tensor([row], dtype=torch.float32)), None, (1, 1, len(row)), None)
    assert found.layers[0].pattern == found.total.pattern == pattern


def test_one_weight_beyond_two_in_four_is_not_two_in_four():
    weight = torch.tensor([1.0, 0.0, 1.0, 0.0]).repeat(10, 256)
    weight[:, 1], weight[:, 2] = 1, 0  # two neighbours: no 1:2
    assert inspect(linear(weight), None, (1, 32, 32), None).total.pattern == "2:4"
    weight[9, 1023] = 1
    assert inspect(linear(weight), None, (1, 32, 32), None).total.pattern is None


def test_the_pattern_of_all_layers_is_the_strictest_that_all_have():
    network = Chain([[1.0, 0.0, 0.0, 0.0]] * 3, [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    found = inspect(network, None, (1, 2, 2), None)
    assert [row.pattern for row in found.layers] == ["1:4", "1:2"]
    assert found.total.pattern == "1:2"


def test_weights_that_grew_back_are_counted_exactly():
    network = build("lenet5")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    before["conv2.weight"].view(-1)[:7] = 0
    before["fc2.weight"].view(-1)[:5] = 0
    network.fc2.weight.data.view(-1)[3:9] = 0
    found = inspect(network, None, (1, 28, 28), before)
    assert [row.regrown for row in found.layers] == [0, 7, 0, 0, 3]
    assert found.total.regrown == 10
    assert inspect(network, None, (1, 28, 28), None).total.regrown is None


def test_an_earlier_state_of_another_width_is_refused():
    narrow = build("lenet5", widths={"conv1": 3, "conv2": 8, "conv3": 60, "fc1": 42})
    with pytest.raises(BenchError, match=r"conv1.weight.*\(3, 1, 5, 5\), expected \(6, 1, 5, 5\)"):
        inspect(build("lenet5"), None, (1, 28, 28), narrow.state_dict())
    with pytest.raises(BenchError, match="got nothing"):
        inspect(build("lenet5"), None, (1, 28, 28), {})


def test_a_transformer_has_no_effective_sparsity_and_says_why():
    network = build("timm:vit_tiny_patch16_224")
    assert image_shape(network) == (3, 224, 224)
    found = inspect(network, None, image_shape(network), None)
    assert found.total.effective is None
    assert found.total.effective_sparsity is None
    assert found.total.dead is None
    assert found.collapsed == ()
    assert found.total.nonzero == sum(int(w.count_nonzero()) for w in prunable(network).values())
    (sentence,) = remarks(found, declaring(None))
    assert sentence.startswith("Effective sparsity and dead channels are not known: it is not")
    assert inspection_png(found, "vit").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("declared", "structure", "sentences"),
    [
        (None, None, []),
        (0.5, "unstructured", []),
        (0.5004, "unstructured", []),
        (0.6, "unstructured", ["Declared sparsity 0.6, measured 0.5000."]),
        (
            0.3,
            "structured",
            ["Declared sparsity 0.3 is of channels; of the weights it is 0.5000."],
        ),
    ],
)
def test_only_what_differs_from_the_declaration_is_said(declared, structure, sentences):
    found = inspect(linear(torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])), None, (1, 2, 3), None)
    assert remarks(found, declaring(declared, structure)) == sentences


def test_idle_weights_and_patterns_are_said_in_numbers():
    network = Chain(
        [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]],
        [[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    )
    before = {name: torch.zeros_like(weight) for name, weight in prunable(network).items()}
    assert remarks(inspect(network, None, (1, 2, 2), before), declaring(None)) == [
        "1 of 3 nonzero weights (33.3%) are on no path from the image to a logit: effectively the "
        "sparsity is 0.8889.",
        "3 weights that were zero before are not any more, in fc1, fc2.",
        "Every layer is 1:2 sparse along its inputs: hardware for 2:4 sparsity can use it.",
    ]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A LeNet5 without conv2's channel 5 and half of fc1, and one of which 20 zeros came back."""
    network = build("lenet5")
    network.conv2.weight.data[5] = 0
    network.fc1.weight.data[:42] = 0
    paths = (tmp_path / "pruned", tmp_path / "tuned")
    for path, slug in zip(paths, ("pruned", "tuned"), strict=True):
        loaded = described(slug, "lenet5", Normalised(network))
        pack(loaded.model, replace(loaded.record, declared_sparsity=0.9), path)
        network.fc1.weight.data[0, :20] = 1
    return paths


def test_the_command_shows_a_table_and_what_to_know(folders, tmp_path):
    pruned, tuned = folders
    out, picture = tmp_path / "layers.json", tmp_path / "layers.png"
    words = ["inspect", str(tuned), "--from", str(pruned), "--json", str(out), "--png"]
    result = CliRunner().invoke(app, [*words, str(picture)])
    assert result.exit_code == 0, result.output
    fc1 = 90_720 // 2
    assert f"84×1080 90,720 {fc1 + 20:,} 0.4998 0.4998 41 of 84 - 20" in " ".join(
        result.output.split()
    )
    assert "Declared sparsity 0.9, measured 0.3201." in result.output
    assert "20 weights that were zero before are not any more, in fc1." in result.output
    record = json.loads(out.read_text())
    assert record["slug"] == "tuned"
    assert record["total"]["regrown"] == 20
    assert record["total"]["nonzero"] == 142_110 - 150 - fc1 + 20
    conv2 = next(row for row in record["layers"] if row["name"] == "conv2")
    assert (conv2["dead"], conv2["channels"], conv2["effective"]) == (1, 16, 2250)
    assert all(sentence in result.output for sentence in record["remarks"])
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


def test_the_command_writes_no_file_unasked(folders, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(app, ["inspect", str(folders[0])])
    assert result.exit_code == 0, result.output
    assert "grew back" not in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_the_picture_has_the_same_bytes_every_time_and_other_bytes_for_another_network():
    network = build("lenet5")
    one = inspection_png(inspect(network, None, (1, 28, 28), None), "x")
    assert one == inspection_png(inspect(network, None, (1, 28, 28), None), "x")
    network.conv2.weight.data.zero_()
    assert one != inspection_png(inspect(network, None, (1, 28, 28), None), "x")


def declaring(sparsity: float | None, structure: str | None = None) -> Submission:
    return Submission(
        slug="x",
        kind="classifier",
        architecture="lenet5",
        widths={},
        weights_sha256="",
        measured_sparsity=None,
        declared_sparsity=sparsity,
        structure=structure,
    )
