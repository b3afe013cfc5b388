import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.errors import BenchError
from bench.models import (
    ARCHITECTURES,
    Normalised,
    build,
    infer_widths,
    initialised,
    last_linear,
    prunable,
)
from bench.models.sparsity import measured_sparsity

NAMES = sorted(ARCHITECTURES)
SIDES = {1: 28, 3: 32}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fresh(name: str, seed: int = 0) -> nn.Module:
    channels = ARCHITECTURES[name].channels
    return initialised(name, classes=10, channels=channels, generator=generator(seed)).eval()


def images_for(name: str, count: int = 2) -> torch.Tensor:
    channels = ARCHITECTURES[name].channels
    side = SIDES[channels]
    return torch.rand(count, channels, side, side, generator=generator(1))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("lenet5", 142_110),
        ("resnet18", 11_164_352),
        ("resnet18-relu", 11_164_352),
        ("alexnet", 28_246_720),
        ("conv6", 1_802_432),
        ("conv6-plain", 1_802_432),
        ("lenet5-plain", 142_110),
    ],
)
def test_every_architecture_has_the_prunable_weights_of_the_paper(name, count):
    assert sum(weight.numel() for weight in prunable(build(name)).values()) == count


def test_alexnet_has_9600_hidden_nodes():
    assert sum(ARCHITECTURES["alexnet"].widths.values()) == 9_600


def test_resnet18_has_21_prunable_tensors_shortcuts_and_classifier_included():
    names = list(prunable(build("resnet18")))
    assert len(names) == 21
    assert names[0] == "conv1.weight"
    assert names[-1] == "fc.weight"
    assert "layer2.0.downsample.0.weight" in names


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_answers_with_ten_finite_logits(name):
    answer = fresh(name)(images_for(name))
    assert answer.shape == (2, 10)
    assert answer.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_last_linear_layer_gives_the_logits(name):
    network = fresh(name)
    classifier = last_linear(network)
    seen = []
    classifier.register_forward_hook(lambda *args: seen.append(args[2]))
    answer = network(images_for(name))
    assert torch.equal(seen[0], answer)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n == "alexnet" else ()) for n in NAMES]
)
def test_a_seed_gives_the_same_weights(name):
    first, again, other = fresh(name, 1), fresh(name, 1), fresh(name, 2)
    weights = [
        torch.cat([w.flatten() for w in prunable(n).values()]) for n in (first, again, other)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_lenet5_is_drawn_orthogonal_with_the_gain_of_its_activation():
    weight = fresh("lenet5").fc1.weight
    gain = nn.init.calculate_gain("leaky_relu", 0.05)
    torch.testing.assert_close(weight @ weight.T, gain**2 * torch.eye(84), atol=1e-5, rtol=0)


def test_the_relu_resnet_is_not_the_papers():
    paper, usual = build("resnet18"), build("resnet18-relu")
    assert (paper.activation.negative_slope, paper.dropout.p) == (0.01, 0.5)
    assert (usual.activation.negative_slope, usual.dropout.p) == (0.0, 0.0)
    assert paper.state_dict().keys() == usual.state_dict().keys()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_widths_are_read_off_the_shapes(name, data):
    widths = {layer: data.draw(st.integers(1, 5)) for layer in ARCHITECTURES[name].widths}
    network = build(name, widths=widths, classes=4)
    assert infer_widths(name, network.state_dict()) == widths
    assert network(images_for(name)).shape == (2, 4)


def test_a_channel_whose_output_is_zero_can_be_removed():
    """The narrow network answers like the wide one with the channel switched off."""
    wide = fresh("resnet18")
    kept = [channel for channel in range(64) if channel != 5]
    block = wide.layer1[0]
    with torch.no_grad():
        block.bn1.weight[5] = 0
        block.bn1.bias[5] = 0
    widths = {**ARCHITECTURES["resnet18"].widths, "layer1.0.conv1": 63}
    tensors = dict(wide.state_dict())
    for key in list(tensors):
        if key.startswith(("layer1.0.conv1", "layer1.0.bn1")) and tensors[key].dim():
            tensors[key] = tensors[key][kept]
    tensors["layer1.0.conv2.weight"] = tensors["layer1.0.conv2.weight"][:, kept]
    narrow = build("resnet18", widths=widths)
    narrow.load_state_dict(tensors)
    images = images_for("resnet18")
    torch.testing.assert_close(narrow(images), wide(images), atol=1e-5, rtol=1e-5)


def test_normalisation_stands_in_front_of_the_network():
    model = Normalised(nn.Identity(), (0.5, 0.25, 0.0), (0.5, 1.0, 2.0))
    image = torch.ones(1, 3, 2, 2)
    assert model(image)[0, :, 0, 0].tolist() == [1.0, 0.75, 0.5]
    assert not model.state_dict()
    assert torch.equal(Normalised(nn.Identity())(image), image)


def test_removed_and_zeroed_weights_count_against_the_dense_network():
    dense = build("lenet5")
    narrow = build("lenet5", widths={**ARCHITECTURES["lenet5"].widths, "conv1": 3})
    with torch.no_grad():
        for weight in prunable(narrow).values():
            weight.fill_(1)
        narrow.fc2.weight[0] = 0
    found = measured_sparsity(narrow, dense)
    removed = 3 * 25 + 3 * 25 * 16
    assert found.nonzero == 142_110 - removed - 84
    assert found.total == pytest.approx((removed + 84) / 142_110)
    assert found.layers["conv1"] == 0.5
    assert found.layers["fc2"] == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["vgg", "timm:no_such_net", "robustbench:No/Such", ""])
def test_an_unknown_architecture_is_refused_with_the_names_there_are(name):
    with pytest.raises(BenchError, match="E-UNKNOWN-ARCHITECTURE"):
        build(name)


def test_timm_networks_are_built_without_a_download():
    network = build("timm:resnet10t", classes=7, channels=1)
    assert network(torch.rand(2, 1, 32, 32, generator=generator())).shape == (2, 7)


@pytest.mark.slow
def test_robustbench_networks_are_built_behind_the_alias():
    network = build("robustbench:Linf/Standard")
    assert network(images_for("resnet18")).shape == (2, 10)


@pytest.mark.slow
def test_a_deck_of_robustbench_answers_with_logarithms():
    """Its own answers are mean probabilities, of which no score may take a softmax."""
    network = build("robustbench:corruptions/Diffenderfer2021Winning_Binary_CARD_Deck").eval()
    with torch.no_grad():
        answers = network(images_for("resnet18"))
    torch.testing.assert_close(answers.exp().sum(1), torch.ones(len(answers)))


@pytest.mark.slow
def test_the_alias_for_autoattack_is_still_needed():
    """When this fails, `alias_autoattack` can go."""
    program = "import importlib.util as u, sys; sys.exit(u.find_spec('autoattack') is not None)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
