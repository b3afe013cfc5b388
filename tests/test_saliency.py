import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from bench import saliency


@pytest.fixture
def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (
            torch.rand(count, 1, 4, 4, generator=generator),
            torch.randint(0, 3, (count,), generator=generator),
        )
        for count in (8, 8, 5)
    ]


@pytest.fixture
def linear() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def test_snip_of_a_linear_layer_is_the_closed_form(linear, batches):
    image, label = batches[0][0][:1], batches[0][1][:1]
    residual = linear(image).softmax(1).detach()[0]
    residual[label] -= 1
    expected = (linear[1].weight.detach() * torch.outer(residual, image.flatten())).abs()
    found = saliency.snip(linear, [(image, label)])
    torch.testing.assert_close(found["1.weight"], expected)


def test_snip_is_the_finite_difference_of_the_loss_under_a_gate(batches):
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    data = [(images.double(), labels) for images, labels in batches]
    images, labels = (torch.cat(parts) for parts in zip(*data, strict=True))
    found = saliency.snip(network, data)["1.weight"]
    weight, step = network[1].weight, 1e-5
    for index in [(0, 0), (3, 7), (5, 15)]:
        original = weight[index].item()
        losses = []
        for gate in (1 + step, 1 - step):
            with torch.no_grad():
                weight[index] = gate * original
                losses.append(float(cross_entropy(network(images), labels)))
                weight[index] = original
        expected = abs(losses[0] - losses[1]) / (2 * step)
        assert float(found[index]) == pytest.approx(expected, rel=1e-6)


def test_snip_does_not_depend_on_how_the_images_are_batched(linear, batches):
    together = [tuple(torch.cat(parts) for parts in zip(*batches, strict=True))]
    torch.testing.assert_close(saliency.snip(linear, batches), saliency.snip(linear, together))


def test_random_saliency_follows_its_generator(linear):
    first, again, other = (
        saliency.random(linear, torch.Generator().manual_seed(seed))["1.weight"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("training", [True, False])
def test_scoring_leaves_the_network_as_it_was(batches, training):
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(8, 3)
    ).train(training)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    saliency.snip(network, batches)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training is training
