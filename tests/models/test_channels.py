from copy import deepcopy

import pytest
import torch
import torch_pruning as tp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.errors import BenchError
from bench.models import ARCHITECTURES, build, infer_widths, prunable
from bench.models.channels import Slice, channel_slices, narrowed, remove_channels

NAMES = sorted(ARCHITECTURES)
DISTINCT = ["lenet5", "alexnet", "conv6", "conv6-plain", "resnet18"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lively(name: str) -> nn.Module:
    """Weights that carry a signal, and BatchNorm far from the identity."""
    network, draws = build(name), generator()
    with torch.no_grad():
        for tensor, values in network.state_dict().items():
            if values.dim() > 1:
                values.normal_(0, (2 / values[0].numel()) ** 0.5, generator=draws)
            elif tensor.endswith("running_var"):
                values.uniform_(0.5, 2, generator=draws)
            elif values.dim() == 1:
                values.normal_(0, 1, generator=draws)
    return network


def images_for(name: str) -> torch.Tensor:
    channels = ARCHITECTURES[name].channels
    return torch.rand(2, channels, 32, 32, generator=generator(1))


def some(widths, share: float = 0.6, seed: int = 2) -> dict[str, torch.Tensor]:
    """Channels that stay, the first always."""
    draws = generator(seed)
    kept = {layer: torch.rand(width, generator=draws) < share for layer, width in widths.items()}
    for stays in kept.values():
        stays[0] = True
    return kept


def silence(network: nn.Module, slices, kept) -> None:
    """Sets to zero what makes the output of the channels that go."""
    tensors = network.state_dict()
    for layer, stays in kept.items():
        for tensor, dim, _ in slices[layer]:
            if dim == 0 and tensor.endswith((".weight", ".bias")):
                tensors[tensor][~stays] = 0


def touched(group, names) -> set[tuple[str, int, tuple[int, ...]]]:
    """(tensor, dim, entries) that Torch-Pruning would remove."""
    found = set()
    for dependency, entries in group:
        module = dependency.target.module
        inward = dependency.handler in (tp.prune_conv_in_channels, tp.prune_linear_in_channels)
        if module in names:
            parts = dict(module.named_parameters()) | dict(module.named_buffers())
            for part, values in parts.items():
                if values.dim() > int(inward):
                    name = f"{names[module]}.{part}"
                    found.add((name, int(inward), tuple(sorted(entries))))
    return found


def named_layers(network: nn.Module) -> dict[nn.Module, str]:
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
    return {module: name for name, module in network.named_modules() if isinstance(module, kinds)}


def graph_of(name: str, network: nn.Module) -> tp.DependencyGraph:
    return tp.DependencyGraph().build_dependency(network, example_inputs=images_for(name))


def group_of(graph, network, layer, entries):
    module = network.get_submodule(layer)
    linear = isinstance(module, nn.Linear)
    prune = tp.prune_linear_out_channels if linear else tp.prune_conv_out_channels
    return graph.get_pruning_group(module, prune, entries)


def test_a_channel_of_a_flattened_convolution_owns_nine_inputs_of_the_linear_layer():
    assert channel_slices("lenet5")["conv3"] == (
        Slice("conv3.weight", 0, 1),
        Slice("conv3.bias", 0, 1),
        Slice("bn3.weight", 0, 1),
        Slice("bn3.bias", 0, 1),
        Slice("bn3.running_mean", 0, 1),
        Slice("bn3.running_var", 0, 1),
        Slice("fc1.weight", 1, 9),
    )


def test_a_residual_stream_is_one_layer_with_all_its_members():
    slices = channel_slices("resnet18")
    assert len(slices) == 12
    weights = [(tensor, dim) for tensor, dim, _ in slices["layer3.0.conv2"] if "bn" not in tensor]
    assert weights == [
        ("layer3.0.conv2.weight", 0),
        *((f"layer3.0.downsample.{part}", 0) for part in ("0.weight", "1.weight", "1.bias")),
        *((f"layer3.0.downsample.1.running_{part}", 0) for part in ("mean", "var")),
        ("layer3.1.conv1.weight", 1),
        ("layer3.1.conv2.weight", 0),
        ("layer4.0.conv1.weight", 1),
        ("layer4.0.downsample.0.weight", 1),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_but_images_and_logits_belongs_to_exactly_one_layer(name):
    tensors, widths = build(name).state_dict(), ARCHITECTURES[name].widths
    owned = []
    for layer, parts in channel_slices(name).items():
        owned += [(tensor, dim) for tensor, dim, _ in parts]
        for tensor, dim, repeat in parts:
            assert tensors[tensor].shape[dim] == widths[layer] * repeat
    weights = list(prunable(build(name)))
    ends = {(weights[0], 1), (weights[-1], 0)}
    assert len(owned) == len(set(owned))
    assert {(weight, dim) for weight in weights for dim in (0, 1)} - ends == {
        (tensor, dim) for tensor, dim in owned if tensor in weights
    }


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_any_network_is_narrowed_to_one_that_loads_again(name, data):
    layers = ARCHITECTURES[name].widths
    widths = {layer: data.draw(st.integers(1, 5)) for layer in layers}
    network = build(name, widths=widths, classes=4, channels=2)
    kept = some(widths, 0.5, data.draw(st.integers(0, 99)))
    narrow = narrowed(name, network, kept)
    expected = {layer: int(stays.sum()) for layer, stays in kept.items()}
    assert infer_widths(name, narrow.state_dict()) == expected
    again = build(name, widths=expected, classes=4, channels=2)
    again.load_state_dict(narrow.state_dict())
    assert infer_widths(name, network.state_dict()) == widths


@pytest.mark.parametrize("name", DISTINCT)
def test_the_narrow_network_answers_like_the_wide_one_with_the_channels_silent(name):
    wide, kept = lively(name), some(ARCHITECTURES[name].widths)
    narrow = narrowed(name, wide, kept)
    silence(wide, channel_slices(name), kept)
    images = images_for(name)
    with torch.no_grad():
        expected, found = wide(images), narrow(images)
    assert expected.std() > 0.01
    assert (found - expected).abs().max() < 1e-5


def test_the_narrow_network_keeps_precision_and_mode_and_shares_nothing():
    wide = build("lenet5").double().train()
    narrow = narrowed("lenet5", wide, {"fc1": torch.arange(84) < 10})
    assert narrow.training
    assert narrow.fc2.weight.dtype == torch.float64
    assert torch.equal(narrow.fc2.weight, wide.fc2.weight[:, :10])
    assert torch.equal(narrow.conv1.weight, wide.conv1.weight)
    assert narrow.conv1.weight.data_ptr() != wide.conv1.weight.data_ptr()
    assert wide.fc1.out_features == 84


def test_a_layer_without_channels_is_refused():
    with pytest.raises(BenchError, match=r"E-WRONG-WEIGHTS: conv2\.weight"):
        narrowed("lenet5", build("lenet5"), {"conv2": torch.zeros(16, dtype=torch.bool)})


def test_channels_of_any_tensors_of_those_names_are_removed():
    moments = {"fc1.weight": torch.arange(6 * 9).view(2, 27), "fc2.weight": torch.ones(3, 2)}
    kept = {"conv3": torch.tensor([True, False, True]), "fc1": torch.tensor([False, True])}
    found = remove_channels(moments, channel_slices("lenet5"), kept)
    assert found["fc1.weight"].tolist() == [[*range(27, 36), *range(45, 54)]]
    assert found["fc2.weight"].tolist() == [[1], [1], [1]]
    assert moments["fc1.weight"].shape == (2, 27)


@pytest.mark.parametrize("name", DISTINCT)
def test_torch_pruning_removes_the_same_entries(name):
    network = build(name)
    graph, layers = graph_of(name, network), named_layers(network)
    for layer, parts in channel_slices(name).items():
        width = ARCHITECTURES[name].widths[layer]
        for channels in ([0], [1, 4], [width - 1]):
            expected = {
                (tensor, dim, tuple(c * repeat + k for c in channels for k in range(repeat)))
                for tensor, dim, repeat in parts
            }
            assert touched(group_of(graph, network, layer, channels), layers) == expected, layer


@pytest.mark.parametrize("name", DISTINCT)
def test_torch_pruning_makes_the_same_narrow_network(name):
    network, kept = lively(name), some(ARCHITECTURES[name].widths, 0.4)
    found, theirs = narrowed(name, network, kept), deepcopy(network)
    graph = graph_of(name, theirs)
    for layer, stays in kept.items():
        group_of(graph, theirs, layer, (~stays).nonzero().flatten().tolist()).prune()
    expected = theirs.state_dict()
    assert found.state_dict().keys() == expected.keys()
    assert all(torch.equal(values, expected[key]) for key, values in found.state_dict().items())
    images = images_for(name)
    torch.testing.assert_close(found(images), theirs.eval()(images))
