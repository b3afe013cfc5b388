import math
from dataclasses import replace

import pytest
import torch

from bench.models import prunable
from bench.saliency import gradients
from bench.sensitivity import (
    AUTHORS,
    CROSS_ENTROPY,
    STANDARD,
    VARIANTS,
    Options,
    sensitivity_scores,
    training_statistics,
)
from bench.sensitivity.scores import norms


def standardised(network, images, statistics):
    """[z of each layer], by autograd and the formula of the paper."""
    labels = network(images).argmax(1)
    found = gradients(network, [(images, labels)], statistics.options.loss)
    return [
        (weight.detach() * found[name] - statistics.mean[name]) / (statistics.std[name] + 1e-8)
        for name, weight in prunable(network).items()
    ]


@pytest.mark.parametrize("power", [5.0, 2.0, 1.5, math.inf])
@pytest.mark.parametrize("aggregate", ["global", "layer-mean"])
def test_scores_are_norms_of_the_standardised_sensitivities(network, batches, aggregate, power):
    statistics = training_statistics(
        network, batches, replace(CROSS_ENTROPY, aggregate=aggregate, power=power)
    )
    images = [images for images, _ in batches]
    ours = sensitivity_scores(network, images, statistics)
    expected = []
    for batch in images:
        layers = standardised(network, batch, statistics)
        if aggregate == "global":
            layers = [torch.cat([z.flatten() for z in layers])]
        norms = [torch.linalg.vector_norm(z.double(), power) for z in layers]
        expected.append(torch.stack(norms).mean())
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, torch.stack(expected).float(), rtol=1e-3, atol=0)


def test_towards_infinite_power_the_score_is_the_largest_z(network, batches):
    statistics = training_statistics(network, batches, CROSS_ENTROPY)
    images = [batches[0][0]]
    largest = max(float(z.abs().max()) for z in standardised(network, images[0], statistics))
    scores = [
        float(sensitivity_scores(network, images, replace(statistics, options=options)))
        for options in (replace(CROSS_ENTROPY, power=p) for p in (2, 5, 60, math.inf))
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[2] == pytest.approx(largest, rel=0.1)
    assert scores[3] == pytest.approx(largest, rel=1e-4)


def test_weights_that_never_vary_are_left_out(network, batches):
    """A pruned weight, and one whose statistics say that it had always been 7."""
    network[7].weight.data[0, 0] = 0
    statistics = training_statistics(network, batches)
    assert statistics.std["7.weight"][0, 0] == 0
    images = [images for images, _ in batches]
    before = sensitivity_scores(network, images, statistics)
    statistics.mean["7.weight"][0, 0] = 7
    torch.testing.assert_close(sensitivity_scores(network, images, statistics), before)
    statistics.std["7.weight"][0, 0] = 1
    assert (sensitivity_scores(network, images, statistics) > before).all()
    for std in statistics.std.values():
        std.zero_()
    assert not sensitivity_scores(network, images, statistics).any()


@pytest.mark.parametrize("options", [STANDARD, replace(AUTHORS, cumulative=False)])
def test_the_score_of_a_batch_does_not_depend_on_its_neighbours(network, batches, options):
    statistics = training_statistics(network, batches, options)
    images = [images for images, _ in batches]
    whole = sensitivity_scores(network, images, statistics)
    single = torch.cat([sensitivity_scores(network, [batch], statistics) for batch in images])
    torch.testing.assert_close(whole, single, rtol=1e-4, atol=0)
    assert sensitivity_scores(network, [], statistics).shape == (0,)


def test_elastic_scores_divide_by_the_loss_of_the_batch(network, batches):
    options = Options(loss="neg-logit", elasticity=True)
    statistics = training_statistics(network, batches, options)
    images = batches[0][0]
    logits = network(images).detach()
    loss = -logits.max(1).values.mean()
    found = gradients(network, [(images, logits.argmax(1))], "neg-logit")
    z = [
        (weight.detach() * found[name] / (1e-8 + loss) - statistics.mean[name])
        / (statistics.std[name] + 1e-8)
        for name, weight in prunable(network).items()
    ]
    expected = torch.linalg.vector_norm(torch.cat([part.flatten() for part in z]), 5)
    torch.testing.assert_close(
        sensitivity_scores(network, [images], statistics), expected[None], rtol=1e-3, atol=0
    )


def test_the_variants_are_the_authors_loss_the_papers_text_and_the_authors_code():
    assert VARIANTS == {
        "sensnorm": STANDARD,
        "sensnorm-ce": CROSS_ENTROPY,
        "sensnorm-authors": AUTHORS,
    }
    assert Options() == STANDARD
    assert (STANDARD.aggregate, STANDARD.power, STANDARD.cumulative) == ("global", 5, False)
    for options in (STANDARD, AUTHORS):
        assert (options.loss, options.elasticity) == ("neg-logit", True)
    assert replace(STANDARD, loss="ce", elasticity=False) == CROSS_ENTROPY
    assert replace(STANDARD, cumulative=True, aggregate="layer-mean") == AUTHORS


def test_the_variants_score_differently(network, batches):
    images = [images for images, _ in batches]
    standard, cross_entropy, authors = (
        sensitivity_scores(network, images, training_statistics(network, batches, options))
        for options in VARIANTS.values()
    )
    assert not torch.allclose(standard, authors, rtol=0.1)
    assert not torch.allclose(standard, cross_entropy, rtol=0.1)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_norms_of_any_size_are_exact(size):
    rows = torch.tensor([[3.0, -4.0, 0.0], [0.0, 1.0, 0.0]]) * size
    expected = torch.tensor([(3**5 + 4**5) ** 0.2, 1.0]) * size
    torch.testing.assert_close(norms(rows, 5), expected)
    torch.testing.assert_close(norms(rows, 1.5)[1:], expected[1:])
    torch.testing.assert_close(norms(rows, math.inf), torch.tensor([4.0, 1.0]) * size)
    assert not norms(torch.zeros(2, 3), 5).any()


@pytest.mark.parametrize("options", [STANDARD, AUTHORS])
def test_the_network_is_left_untouched(network, batches, options):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    statistics = training_statistics(network, batches, options)
    sensitivity_scores(network, [images for images, _ in batches], statistics)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert not network.training
    assert not any(module._forward_hooks for module in network.modules())
