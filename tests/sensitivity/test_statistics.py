import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import BenchError
from bench.models import prunable
from bench.saliency import gradients
from bench.sensitivity import CROSS_ENTROPY, STANDARD, Options, training_statistics
from bench.sensitivity.statistics import Slope, sensitivity


def all_sensitivities(network, batches, loss="ce"):
    """{name: (M, …) float64} of autograd."""
    found = [gradients(network, [batch], loss) for batch in batches]
    return {
        name: np.stack([(weight.detach() * one[name]).numpy() for one in found]).astype(np.float64)
        for name, weight in prunable(network).items()
    }


def test_the_sensitivity_of_a_linear_softmax_is_the_closed_form(batches):
    """W ⊙ (1/B)(P − Y)ᵀX."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 4))
    images, labels = batches[0]
    rows, weight = images.flatten(1), network[1].weight.detach()
    residual = network(images).softmax(1).detach() - torch.eye(4)[labels]
    expected = weight * (residual.mT @ rows) / 3
    statistics = training_statistics(network, [batches[0]] * 2, CROSS_ENTROPY)
    torch.testing.assert_close(statistics.mean["1.weight"], expected)
    assert (expected < 0).any()
    assert not statistics.std["1.weight"].any()


@pytest.mark.parametrize("loss", ["ce", "neg-logit"])
def test_statistics_are_those_of_numpy_over_all_batches(network, batches, loss):
    statistics = training_statistics(network, iter(batches), Options(loss=loss, elasticity=False))
    assert statistics.batches == 10
    for name, values in all_sensitivities(network, batches, loss).items():
        np.testing.assert_allclose(statistics.mean[name], values.mean(0), rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(
            statistics.std[name], values.std(0, ddof=1), rtol=1e-3, atol=1e-6
        )


def test_only_the_authors_statistics_depend_on_the_order_of_the_batches(network, batches):
    def distance(options):
        there, back = (
            training_statistics(network, order, options) for order in (batches, batches[::-1])
        )
        return max(
            float((one[name] - other[name]).abs().max() / one[name].abs().max())
            for one, other in ((there.mean, back.mean), (there.std, back.std))
            for name in one
        )

    assert distance(STANDARD) < 1e-5
    assert distance(Options(cumulative=True)) > 0.1


def test_cumulative_elasticity_is_what_the_authors_code_computes(network, batches):
    """Gradients that are never zeroed times weights, over 1e-8 plus the summed loss."""
    network.zero_grad()
    scores, total = {name: [] for name in prunable(network)}, 0.0
    for images, labels in batches:
        value = nn.functional.nll_loss(network(images), labels) / len(batches)
        value.backward()
        total += value.item()
        for name, weight in prunable(network).items():
            scores[name].append(weight.grad * (weight.data / (1e-8 + total)))
    options = Options(loss="neg-logit", elasticity=True, cumulative=True)
    found = training_statistics(network, batches, options)
    for name, values in scores.items():
        rows = torch.stack(values)
        torch.testing.assert_close(found.mean[name], rows.mean(0), rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(found.std[name], rows.std(0), rtol=1e-3, atol=1e-5)


def test_elasticity_has_the_sign_of_the_loss():
    weights, gradient = {"w": torch.tensor([2.0])}, {"w": torch.tensor([3.0])}
    for loss, expected in ((4.0, 1.5), (-4.0, -1.5)):
        slope = Slope(torch.tensor(loss, dtype=torch.float64), gradient)
        found = sensitivity(weights, slope, Options(elasticity=True))
        torch.testing.assert_close(found["w"], torch.tensor([expected]))


def test_sensitivities_of_a_layer_of_a_homogeneous_network_add_up_to_the_loss(batches):
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.LeakyReLU(0.05),
        nn.Flatten(),
        nn.Linear(96, 8, bias=False),
        nn.ReLU(),
        nn.Linear(8, 4, bias=False),
    )
    statistics = training_statistics(network, batches[:1] * 2, Options(elasticity=False))
    images, labels = batches[0]
    loss = -network(images).gather(1, labels[:, None]).mean().detach()
    assert len(statistics.mean) == 3
    for name, values in statistics.mean.items():
        torch.testing.assert_close(values.sum(), loss, msg=name)


def test_one_batch_has_no_standard_deviation(network, batches):
    with pytest.raises(BenchError, match="E-TOO-FEW-IMAGES: batches: got 1, expected 2"):
        training_statistics(network, batches[:1])


def test_gradients_that_are_not_finite_are_refused(network, batches):
    network[-1].weight.data[0, 0] = torch.inf
    with pytest.raises(BenchError, match="E-BAD-OUTPUT"):
        training_statistics(network, batches)


def test_a_power_below_one_is_refused():
    with pytest.raises(BenchError, match=r"power: got 0\.5, expected 1 or more"):
        Options(power=0.5)
