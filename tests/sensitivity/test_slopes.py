import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from bench.models import initialised, prunable
from bench.saliency import gradients
from bench.sensitivity import one_pass
from bench.sensitivity.slopes import alone, slopes, together

LOSSES = {
    "ce": cross_entropy,
    "neg-logit": lambda logits, labels: -logits.gather(1, labels[:, None]).mean(),
}


def singly(network, batches, loss):
    """[{name: gradient}] of every batch."""
    return [
        {name: values[at] for name, values in found.gradients.items()}
        for found in slopes(network, batches, loss)
        for at in range(len(found.losses))
    ]


def by_vmap(network, images, labels, loss):
    """{name: (G, …)} gradients of (G, B, C, H, W) images, independent of ours."""
    weights = {name: weight.detach() for name, weight in prunable(network).items()}

    def value(parameters, inputs, targets):
        return LOSSES[loss](functional_call(network, parameters, (inputs,)), targets)

    return vmap(grad(value), in_dims=(None, 0, 0))(weights, images, labels)


@pytest.mark.parametrize("loss", ["ce", "neg-logit"])
@pytest.mark.parametrize("way", ["loop", "one pass"])
def test_gradients_of_every_batch_are_those_of_vmap(network, batches, loss, way):
    images, labels = (torch.stack(parts) for parts in zip(*batches[:9], strict=True))
    expected = by_vmap(network, images, labels, loss)
    if way == "loop":
        found = [alone(network, batch, loss) for batch in batches[:9]]
    else:
        found = [together(network, batches[:9], loss)]
    for name, slope in expected.items():
        ours = torch.cat([part.gradients[name] for part in found])
        torch.testing.assert_close(ours, slope, rtol=1e-4, atol=1e-6, msg=name)
    values = [LOSSES[loss](network(x), y) for x, y in batches[:9]]
    torch.testing.assert_close(
        torch.cat([part.losses for part in found]).float(), torch.stack(values).detach()
    )


@pytest.mark.parametrize(("architecture", "side"), [("lenet5", 28), ("conv6", 32)])
def test_gradients_of_our_architectures_are_the_same_both_ways(architecture, side, generator):
    channels = 1 if side == 28 else 3
    network = initialised(architecture, classes=10, channels=channels, generator=generator).eval()
    images = torch.rand(4, channels, side, side, generator=generator)
    block = [(part, None) for part in images.split(2)]
    shared = together(network, block, "ce")
    for at, batch in enumerate(block):
        for name, (slope,) in alone(network, batch, "ce").gradients.items():
            torch.testing.assert_close(
                shared.gradients[name][at], slope, rtol=1e-3, atol=1e-5, msg=name
            )


@pytest.mark.parametrize("kernel", [(3, 3), (5, 2), (1, 4)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2)])
@pytest.mark.parametrize("piece", [1, one_pass.PIECE])
def test_products_of_any_convolution_are_its_gradients(
    kernel, stride, padding, piece, generator, monkeypatch
):
    monkeypatch.setattr(one_pass, "PIECE", piece)
    layer = nn.Conv2d(3, 4, kernel, stride, padding).double()
    images = torch.rand(6, 3, 7, 9, dtype=torch.float64, generator=generator)
    answers = layer(images)
    slope = torch.rand(answers.shape, dtype=torch.float64, generator=generator)
    expected = [
        torch.autograd.grad(layer(few), layer.weight, part)[0]
        for few, part in zip(images.split(2), slope.split(2), strict=True)
    ]
    torch.testing.assert_close(
        one_pass.products(layer, images, slope, 2), torch.stack(expected), rtol=1e-12, atol=1e-12
    )


def test_batches_come_in_order_whatever_their_sizes(network, batches):
    mixed = [batches[-1], *batches[:3], batches[-1], batches[3]]
    found = singly(network, mixed, "ce")
    assert len(found) == 6
    for (images, labels), ours in zip(mixed, found, strict=True):
        expected = gradients(network, [(images, labels)])
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


def test_without_labels_the_predicted_ones_are_taken(network, batches):
    images = batches[0][0]
    predicted = network(images).argmax(1)
    (ours,) = singly(network, [(images, None)], "ce")
    torch.testing.assert_close(ours, gradients(network, [(images, predicted)]))


def test_small_batches_share_passes_and_large_ones_do_not():
    lenet5, resnet18 = (
        initialised(name, classes=10, channels=channels, generator=torch.Generator())
        for name, channels in (("lenet5", 1), ("resnet18", 3))
    )
    assert one_pass.batches_of_a_pass(lenet5.eval(), torch.zeros(11, 1, 28, 28)) == 10
    assert one_pass.batches_of_a_pass(lenet5, torch.zeros(100, 1, 28, 28)) == 1
    assert one_pass.batches_of_a_pass(resnet18.eval(), torch.zeros(1, 3, 32, 32)) == 1
    wide = nn.Sequential(nn.Flatten(), nn.Linear(784, 1000), nn.Linear(1000, 1000))  # 7.1 MB
    assert one_pass.batches_of_a_pass(wide, torch.zeros(5, 1, 28, 28)) == 4


class Twice(nn.Module):
    """Uses the weight of its layer behind the layer's back."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(48, 48)

    def forward(self, images):
        return self.layer(images.flatten(1)) @ self.layer.weight


@pytest.mark.parametrize(
    "odd",
    [
        nn.Sequential(nn.Conv2d(1, 4, 3, groups=1, dilation=2), nn.Flatten(), nn.Linear(32, 4)),
        nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.Flatten(), nn.Linear(192, 4)),
        nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1, groups=2), nn.Flatten()),
        nn.Sequential(nn.Linear(6, 6), nn.Flatten()),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(96, 4)),
        Twice(),
    ],
    ids=["dilation", "same", "groups", "linear over rows", "in place", "weight used twice"],
)
def test_layers_out_of_the_ordinary_have_right_gradients_too(odd, batches):
    for (images, labels), ours in zip(batches, singly(odd, batches, "ce"), strict=True):
        expected = gradients(odd, [(images, labels)])
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


def test_a_confident_answer_has_the_gradient_of_float64(generator):
    """p − 1 of a softmax is −e⁻³⁰, which float32 rounds to zero."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    network[1].weight.data = torch.tensor([[30.0, 0.0], [0.0, 0.0]])
    (ours,) = singly(network, [(torch.tensor([[[[1.0, 0.0]]]]), None)], "ce")
    rest = torch.tensor(-30.0, dtype=torch.float64).exp().float()
    torch.testing.assert_close(ours["1.weight"][:, 0], torch.stack([-rest, rest]))


def test_a_frozen_network_in_training_mode_is_measured_in_evaluation_mode(network, batches):
    expected = singly(network, batches, "ce")
    network.train().requires_grad_(False)
    for ours, one in zip(singly(network, batches, "ce"), expected, strict=True):
        torch.testing.assert_close(ours, one)
    assert network.training
    assert not any(weight.requires_grad for weight in network.parameters())
