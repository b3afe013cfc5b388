import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.connectivity import effective_weights
from bench.inspection import image_shape, inspect
from bench.models import build, prunable


class Residual(nn.Module):
    """Two channels in the stream, and a branch beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.relu(self.stem(images))
        x = x + self.branch(x)
        return self.fc(self.pool(x).flatten(1))


class Pooled(nn.Module):
    """Two convolutions with padding, overlapping max pooling, a scale and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1, stride=2)
        self.conv3 = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.leaky_relu(self.bn1(self.conv1(images)), 0.1)
        x = functional.max_pool2d(x, 3, 2, 1)
        x = functional.leaky_relu(self.conv2(x), 0.1) + functional.max_pool2d(self.conv3(x), 2)
        return self.fc(x.flatten(1))


def sparse(network: nn.Module, sparsity: float, generator: torch.Generator) -> nn.Module:
    for weight in prunable(network).values():
        weight.data.normal_(generator=generator)
        weight.data[torch.rand(weight.shape, generator=generator) < sparsity] = 0
    return network.eval()


def test_a_bias_is_no_path():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    nn.init.zeros_(network[1].weight)
    nn.init.ones_(network[1].bias)
    assert not effective_weights(network, (1, 2, 2))["3.weight"].any()


def test_a_shortcut_keeps_a_channel_alive_whose_branch_is_dead():
    network = Residual()
    network.branch.weight.data = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(2, 2, 1, 1)
    found = inspect(network, None, (1, 4, 4), None)
    assert [row.dead for row in found.layers] == [0, 1, 0]
    assert [row.effective for row in found.layers] == [2, 2, 4]
    network.branch.weight.data.zero_()
    found = inspect(network, None, (1, 4, 4), None)
    assert found.collapsed == ("branch",)
    assert found.total.effective == 2 + 4


def test_kernel_taps_that_only_see_padding_are_on_no_path():
    network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Flatten(), nn.Linear(1, 2))
    assert effective_weights(network, (1, 1, 1))["0.weight"].nonzero().tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("seed", range(12))
def test_effective_are_the_weights_that_move_a_logit_under_some_values_and_images(seed):
    generator = torch.Generator().manual_seed(seed)
    network = sparse(Pooled(), 0.35 + 0.05 * seed, generator)
    network.bn1.weight.data[seed % 4 :][:1] = 0
    there = {name: weight != 0 for name, weight in prunable(network).items()}
    moved = {name: torch.zeros_like(mask) for name, mask in there.items()}
    for bias in (network.conv1.bias, network.conv2.bias, network.conv3.bias, network.fc.bias):
        nn.init.zeros_(bias)
    effective = effective_weights(network, (1, 4, 4))
    for _ in range(60):
        for name, weight in prunable(network).items():
            weight.data = torch.randn(weight.shape, generator=generator) * there[name]
        network.zero_grad()
        network(torch.randn(64, 1, 4, 4, generator=generator)).square().sum().backward()
        for name, weight in prunable(network).items():
            moved[name] |= (weight.grad != 0) & there[name]
    for name, found in effective.items():
        assert torch.equal(found, moved[name]), name


def test_counts_do_not_overflow_in_a_deep_net_and_the_network_stays_as_it_is():
    convolutions = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(150)]  # 256¹⁵⁰ paths a pixel
    network = nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
    for convolution in convolutions:
        nn.init.constant_(convolution.weight, 1e-30)
    for place in (5, 140):
        convolutions[place].weight.data[7] = 0
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = inspect(network, None, (64, 2, 2), None)
    assert found.total.nonzero - found.total.effective == 2 * 64 * 9
    assert [place for place, row in enumerate(found.layers) if row.dead] == [5, 140]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    "name", ["resnet18", "conv6-plain", "timm:mobilenetv2_050", "timm:densenet121"]
)
def test_every_weight_of_a_dense_network_is_effective(name):
    network = build(name)
    for weight in prunable(network).values():
        nn.init.ones_(weight)
    found = inspect(network, None, image_shape(network), None)
    assert found.total.effective == found.total.nonzero == found.total.dense
    assert found.total.dead == 0


class Constants(nn.Module):
    """Normalises inside, and puts a constant beside and on top of what depends on the image."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 2), nn.Linear(5, 2)
        self.extra = nn.Parameter(torch.ones(1, 3))

    def forward(self, images: Tensor) -> Tensor:
        x = self.fc1(((images - 0.5) / torch.full((1, 1, 1), 0.2)).flatten(1))
        return self.fc2(torch.cat([x + self.extra[:, :2], self.extra], dim=1))


def test_what_does_not_depend_on_the_image_has_no_path():
    network = Constants()
    network.fc1.weight.data[1] = 0
    found = effective_weights(network, (1, 2, 2))
    assert found["fc1.weight"].tolist() == [[True] * 4, [False] * 4]
    assert found["fc2.weight"].tolist() == [[True, False, False, False, False]] * 2


@pytest.mark.parametrize(
    "odd",
    [
        nn.LayerNorm(4),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(2, return_indices=True),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"),
        nn.Softmax(dim=-1),
    ],
    ids=lambda odd: type(odd).__name__,
)
def test_what_paths_do_in_it_is_not_known(odd):
    network = nn.Sequential(nn.Conv2d(1, 1, 1), odd)
    with pytest.raises(NotImplementedError, match="not known how paths pass"):
        effective_weights(network, (1, 4, 4))
