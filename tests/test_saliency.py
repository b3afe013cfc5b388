import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from bench import saliency
from bench.masks import apply
from bench.models import initialised, prunable
from bench.saliency import Scoring


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
    found = saliency.snip(Scoring(linear, [(image, label)]))
    torch.testing.assert_close(found["1.weight"], expected)


def test_snip_is_the_finite_difference_of_the_loss_under_a_gate(batches):
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    data = [(images.double(), labels) for images, labels in batches]
    images, labels = (torch.cat(parts) for parts in zip(*data, strict=True))
    found = saliency.snip(Scoring(network, data))["1.weight"]
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
        assert float(found[index]) == pytest.approx(expected, rel=1e-6, abs=1e-10)


def test_snip_does_not_depend_on_how_the_images_are_batched(linear, batches):
    together = [tuple(torch.cat(parts) for parts in zip(*batches, strict=True))]
    torch.testing.assert_close(
        saliency.snip(Scoring(linear, batches)), saliency.snip(Scoring(linear, together))
    )


def test_random_saliency_follows_its_generator(linear):
    first, again, other = (
        saliency.random(Scoring(linear, generator=torch.Generator().manual_seed(seed)))["1.weight"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def smooth_network() -> nn.Sequential:
    """Small enough for its exact Hessian."""
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def exact_product(network, data, mask, temperature=1.0):
    """H(m ⊙ g) of the mean loss over all images, by the whole Hessian."""
    images, labels = (torch.cat(parts) for parts in zip(*data, strict=True))
    shapes = {name: weight.shape for name, weight in prunable(network).items()}
    sizes = [shape.numel() for shape in shapes.values()]

    def loss(flat):
        parts = flat.split(sizes)
        weights = {n: p.view(s) for (n, s), p in zip(shapes.items(), parts, strict=True)}
        return cross_entropy(functional_call(network, weights, (images,)) / temperature, labels)

    flat = torch.cat([weight.detach().flatten() for weight in prunable(network).values()])
    slope = torch.autograd.functional.jacobian(loss, flat)
    kept = torch.cat([mask[name].flatten() for name in shapes])
    product = torch.autograd.functional.hessian(loss, flat) @ (slope * kept)
    return {n: p.view(s) for (n, s), p in zip(shapes.items(), product.split(sizes), strict=True)}


@pytest.mark.parametrize("count", [1, 3])
def test_crop_and_grasp_are_products_with_the_exact_hessian(batches, count):
    network = smooth_network()
    data = [(images.double(), labels) for images, labels in batches[:count]]
    whole = {name: torch.ones_like(weight) for name, weight in prunable(network).items()}
    mask = {name: torch.rand_like(weight) > 0.3 for name, weight in prunable(network).items()}
    apply(network, mask)
    crop = saliency.crop(Scoring(network, data, mask))
    grasp = saliency.grasp(Scoring(network, data), temperature=2.0)
    curved = exact_product(network, data, mask)
    warm = exact_product(network, data, whole, 2.0)
    for name, weight in prunable(network).items():
        torch.testing.assert_close(crop[name], (weight.detach() * curved[name]).abs())
        torch.testing.assert_close(grasp[name], weight.detach() * warm[name])


def test_grasp_of_a_linear_layer_is_the_closed_form(linear, batches):
    image, label = batches[0][0][:1], batches[0][1][:1]
    flat, chances = image.flatten(), linear(image).softmax(1).detach()[0]
    residual = chances - torch.eye(3)[label[0]]
    curvature = torch.diag(chances) - torch.outer(chances, chances)
    product = flat.square().sum() * torch.outer(curvature @ residual, flat)
    found = saliency.grasp(Scoring(linear, [(image, label)]), temperature=1.0)["1.weight"]
    torch.testing.assert_close(found, linear[1].weight.detach() * product)


def test_the_three_signs_of_grasp_differ_as_their_names_say(linear, batches):
    wang, inverted, negative = (
        saliency.grasp(Scoring(linear, batches), sign=sign)["1.weight"]
        for sign in ("wang", "authors-inverted", "neg-abs")
    )
    assert torch.equal(inverted, -wang)
    assert torch.equal(negative, -wang.abs())
    assert (wang < 0).any()
    assert (wang > 0).any()


def test_snip_with_the_negative_logit_is_input_times_weight(linear, batches):
    image, label = batches[0][0][:1], batches[0][1][:1]
    found = saliency.snip(Scoring(linear, [(image, label)]), loss="neg-logit")["1.weight"]
    expected = torch.zeros(3, 16)
    expected[label] = (linear[1].weight.detach()[label] * image.flatten()).abs()
    torch.testing.assert_close(found, expected)


def normalised_network() -> nn.Sequential:
    """Biases before and after a BatchNorm that is far from the identity."""
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(12, 4, bias=False),
        nn.BatchNorm1d(4),
        nn.Tanh(),
        nn.Linear(4, 3),
    )
    for module in network:
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (module.weight.data, module.bias.data, module.running_mean):
                values.normal_()
            module.running_var.uniform_(0.5, 2)
    return network.double().eval()


def slope_by_gates(network, data, mask, loss):
    """{layer weight name: |∂/∂c ⟨m ⊙ g, ∂L/∂w⟩|} with real gates behind the layers."""
    images, labels = (torch.cat(parts) for parts in zip(*data, strict=True))
    weights = prunable(network)
    gates = {name: torch.ones(len(weight)).double() for name, weight in weights.items()}
    hooks = []
    for name, gate in gates.items():
        shape = (-1, *[1] * (weights[name].dim() - 2))
        layer = network.get_submodule(name.removesuffix(".weight"))
        gated = gate.requires_grad_().view(shape)
        hooks.append(layer.register_forward_hook(lambda *args, gated=gated: args[2] * gated))
    value = saliency.LOSSES[loss](network(images), labels) / len(labels)
    slopes = torch.autograd.grad(value, list(weights.values()), create_graph=True)
    flow = sum(
        (slope * slope.detach() * mask[name]).sum()
        for name, slope in zip(weights, slopes, strict=True)
    )
    found = torch.autograd.grad(flow, list(gates.values()))
    for hook in hooks:
        hook.remove()
    return {name: slope.abs() for name, slope in zip(weights, found, strict=True)}


@pytest.mark.parametrize("loss", ["ce", "neg-logit"])
@pytest.mark.parametrize("count", [1, 3])
def test_the_score_of_a_node_is_the_derivative_by_a_gate_on_its_output(batches, count, loss):
    network = normalised_network()
    data = [(images.double(), labels) for images, labels in batches[:count]]
    mask = {name: torch.rand_like(weight) > 0.3 for name, weight in prunable(network).items()}
    apply(network, mask)
    found = saliency.crop_nodes(Scoring(network, data, mask), loss=loss)
    assert {name: tuple(score.shape) for name, score in found.items()} == {
        "0.weight": (3,),
        "4.weight": (4,),
        "7.weight": (3,),
    }
    torch.testing.assert_close(found, slope_by_gates(network, data, mask, loss))


def test_the_score_of_a_node_of_a_linear_layer_is_the_closed_form(linear, batches):
    image, label = batches[0][0][:1], batches[0][1][:1]
    logits = linear(image).detach()[0]
    chances = logits.softmax(0)
    residual = chances - torch.eye(3)[label[0]]
    curvature = torch.diag(chances) - torch.outer(chances, chances)
    expected = image.square().sum() * (logits * (curvature @ residual) + residual.square()).abs()
    found = saliency.crop_nodes(Scoring(linear, [(image, label)]))["1.weight"]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "score", [saliency.snip, saliency.grasp, saliency.crop, saliency.crop_nodes]
)
def test_scoring_leaves_the_network_as_it_was(batches, score):
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(8, 3)
    ).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    score(Scoring(network, batches))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def lenet5_case():
    generator = torch.Generator().manual_seed(0)
    network = initialised("lenet5", classes=10, channels=1, generator=generator)
    images = torch.rand(24, 1, 28, 28, generator=generator)
    labels = torch.randint(0, 10, (24,), generator=generator)
    return network.eval().double(), [(images.double(), labels)]


def test_snip_of_lenet5_is_the_gradient_of_gates_as_its_authors_take_it():
    network, data = lenet5_case()
    weights = prunable(network)
    gates = {name: torch.ones_like(weight, requires_grad=True) for name, weight in weights.items()}
    gated = {name: weight.detach() * gates[name] for name, weight in weights.items()}
    ((images, labels),) = data
    loss = cross_entropy(functional_call(network, gated, (images,)), labels)
    slopes = torch.autograd.grad(loss, list(gates.values()))
    found = saliency.snip(Scoring(network, data))
    for (name, score), slope in zip(found.items(), slopes, strict=True):
        torch.testing.assert_close(score, slope.abs(), msg=name)


def test_grasp_and_crop_of_lenet5_are_those_of_a_second_backward_pass():
    network, data = lenet5_case()
    weights = prunable(network)
    ((images, labels),) = data
    for temperature, found in (
        (200.0, saliency.grasp(Scoring(network, data))),
        (1.0, saliency.crop(Scoring(network, data))),
    ):
        loss = cross_entropy(network(images) / temperature, labels)
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        product = sum((slope.detach() * slope).sum() for slope in slopes)
        curved = torch.autograd.grad(product, list(weights.values()))
        for (name, score), curve in zip(found.items(), curved, strict=True):
            expected = weights[name].detach() * curve
            torch.testing.assert_close(score, expected.abs() if temperature == 1 else expected)
