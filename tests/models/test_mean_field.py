"""Bayesian weights: their distribution, their samples, and the mean prediction of five."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import cross_entropy

from bench.attacks.fgsm import input_gradients, linf_step
from bench.connectivity import effective_weights
from bench.cost import macs
from bench.errors import BenchError
from bench.models import (
    Normalised,
    architecture,
    build,
    ends,
    initialised,
    last_linear,
    prunable,
)
from bench.models.channels import channel_slices, narrowed
from bench.models.kinds import head, kind_of
from bench.models.mean_field import SAMPLES, MeanField, divergence
from bench.models.sparsity import measured_sparsity

SHAPE = (1, 28, 28)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fresh(name: str = "lenet5-plain") -> MeanField:
    channels = 3 if "conv6" in name else 1
    made = initialised(f"bayesian:{name}", classes=10, channels=channels, generator=generator())
    assert isinstance(made, MeanField)
    return made


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=generator(1))


def five(network: MeanField) -> list[nn.Module]:
    """The deterministic networks that answer together, made from the noise by hand."""
    rhos = dict(network.rho.named_parameters())
    made = []
    for noise in network.noise:
        member, at = build("lenet5-plain"), 0
        for name, mean in network.mean.named_parameters():
            drawn = noise[at : at + mean.numel()].view(mean.shape)
            value = mean + torch.log1p(rhos[name].exp()) * drawn
            pruned = (mean == 0) if name.endswith("weight") else torch.zeros_like(mean).bool()
            member.get_parameter(name).data = value.detach().masked_fill(pruned, 0)
            at += mean.numel()
        made.append(member)
    assert len(made) == SAMPLES == 5
    return made


@torch.no_grad()
def prune_some(network: MeanField) -> None:
    for weight in prunable(network).values():
        weight[torch.rand(weight.shape, generator=generator(2)) < 0.7] = 0


def test_the_state_dict_has_a_mean_and_a_rho_of_every_parameter_and_nothing_else():
    network, plain = fresh(), build("lenet5-plain")
    names = [f"{part}.{name}" for part in ("mean", "rho") for name in plain.state_dict()]
    assert list(network.state_dict()) == names
    assert list(prunable(network)) == [f"mean.{name}" for name in prunable(plain)]
    assert (kind_of(network), head(Normalised(network)), ends(network)) == (
        "bayesian",
        None,
        (1, 10),
    )
    assert last_linear(network).out_features == 10


@torch.no_grad()
def test_a_fresh_network_is_drawn_as_the_authors_say():
    network = fresh()
    means = torch.cat([mean.flatten() for mean in network.means.values()])
    rhos = torch.cat([rho.flatten() for rho in network.rho.parameters()])
    count = len(means)
    for drawn, mean in ((means, 0.0), (rhos, -5.0)):
        assert float(drawn.mean()) == pytest.approx(mean, abs=5 * 0.1 / math.sqrt(count))
        assert float(drawn.std()) == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_divergence_is_that_of_torch_over_weights_that_are_left_and_all_biases(reverse):
    network = fresh()
    prune_some(network)
    with torch.no_grad():
        network.mean.conv1.bias.zero_()  # no sign of pruning
    expected = 0.0
    for name, mean in network.means.items():
        left = (mean != 0) | name.endswith("bias")
        own = Normal(mean[left].double(), network.stds[name][left].double())
        prior = Normal(torch.zeros_like(own.loc), torch.full_like(own.loc, 0.1))
        pair = (prior, own) if reverse else (own, prior)
        expected += float(kl_divergence(*pair).sum().detach())
    found = float(divergence(network, reverse=reverse).detach())
    assert found == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_without_noise_it_is_the_deterministic_network():
    network = fresh()
    with torch.no_grad():
        for rho in network.rho.parameters():
            rho.fill_(-200.0)
    torch.testing.assert_close(network(images()), network.mean(images()).log_softmax(1))
    drawn = network.sampled(generator(3))
    assert all(torch.equal(drawn[name], mean) for name, mean in network.means.items())


@torch.no_grad()
def test_sampled_weights_have_the_moments_of_their_distribution():
    network, draws = fresh(), generator(4)
    with torch.no_grad():
        for rho in network.rho.parameters():
            rho.fill_(-1.0)
    norms = torch.stack(
        [
            torch.cat([w.flatten() for w in network.sampled(draws).values()]).square().sum()
            for _ in range(200)
        ]
    ).double()
    means = torch.cat([mean.flatten() for mean in network.means.values()])
    stds = torch.cat([std.flatten() for std in network.stds.values()])
    expected = float((means.square() + stds.square()).double().sum())
    error = float(norms.std()) / math.sqrt(len(norms))
    assert abs(float(norms.mean()) - expected) < 4 * error
    assert error < 1e-3 * expected


def test_pruned_weights_are_zero_in_every_sample_but_zero_biases_are_not_pruned():
    network = fresh()
    prune_some(network)
    with torch.no_grad():
        network.mean.fc1.bias.zero_()
    drawn = network.sampled(generator(5))
    for name, mean in network.means.items():
        if name.endswith("weight"):
            assert torch.equal(drawn[name] == 0, mean == 0)
    assert (drawn["fc1.bias"] != 0).all()
    sparsity = measured_sparsity(network, build("lenet5-plain"))
    assert sparsity.total == pytest.approx(0.7, abs=0.01)
    assert sparsity.counts["mean.fc1"] == 90_720


def test_the_answer_is_the_mean_of_five_networks_the_same_every_time():
    network = fresh()
    prune_some(network)
    answers = torch.stack([member(images()) for member in five(network)])
    expected = answers.softmax(2).mean(0).log()
    torch.testing.assert_close(network(images()), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(network(images()), network(images()))
    assert torch.equal(fresh().noise, network.noise)
    assert not torch.equal(answers[0], answers[1])


def test_fgsm_follows_the_gradient_of_the_average():
    network, labels = fresh(), torch.tensor([3, 1, 4])
    model, members = Normalised(network, (0.5,), (0.25,)), five(network)
    (found,) = input_gradients(model, images(), labels, [cross_entropy])
    points = images().requires_grad_()
    mean = torch.stack([m((points - 0.5) / 0.25).softmax(1) for m in members]).mean(0)
    mean.log().gather(1, labels[:, None]).sum().neg().backward()
    torch.testing.assert_close(found, points.grad, rtol=1e-3, atol=1e-5)
    moved = linf_step(images(), found, 8 / 255)
    worse = cross_entropy(model(moved), labels)
    assert float(worse.detach()) > float(cross_entropy(model(images()), labels).detach())


def test_the_multiply_adds_are_those_of_five_passes():
    network, plain = fresh(), build("lenet5-plain")
    prune_some(network)
    plain.load_state_dict(dict(network.mean.named_parameters()))
    one = macs(plain, SHAPE)
    assert macs(network, SHAPE) == (5 * one.dense, 5 * one.sparse)
    assert one.sparse < one.dense


def same_noise_everywhere(network: MeanField) -> None:
    """So that networks of other widths draw the same."""
    network.noise.copy_(torch.linspace(-1, 1, SAMPLES)[:, None])


@pytest.mark.parametrize("name", ["lenet5-plain", "conv6-plain"])
def test_a_narrow_network_is_the_wide_one_with_the_channels_silent(name):
    wide, slices = fresh(name), channel_slices(f"bayesian:{name}")
    widths = architecture(f"bayesian:{name}").widths
    kept = {layer: torch.arange(width) % 2 == 0 for layer, width in widths.items()}
    narrow = narrowed(f"bayesian:{name}", wide, kept)
    assert isinstance(narrow, MeanField)
    tensors = wide.state_dict()
    for layer, stays in kept.items():
        for part in ("mean", "rho"):
            weight = narrow.get_parameter(f"{part}{layer.removeprefix('mean')}.weight")
            assert len(weight) == int(stays.sum())
        for tensor, dim, _ in slices[layer]:
            if dim == 0:
                tensors[tensor][~stays] = -200.0 if tensor.startswith("rho.") else 0.0
    same_noise_everywhere(wide)
    same_noise_everywhere(narrow)
    channels = ends(wide)[0]
    side = 28 if channels == 1 else 32
    seen = torch.rand(2, channels, side, side, generator=generator(1))
    torch.testing.assert_close(narrow(seen), wide(seen), rtol=1e-4, atol=1e-4)


def test_paths_of_a_bayesian_network_are_those_of_its_means():
    network = fresh()
    prune_some(network)
    found, of_means = effective_weights(network, SHAPE), effective_weights(network.mean, SHAPE)
    assert list(found) == list(prunable(network))
    assert all(torch.equal(found[f"mean.{name}"], kept) for name, kept in of_means.items())


def test_a_network_with_running_statistics_cannot_be_bayesian():
    with pytest.raises(BenchError, match=r"E-UNKNOWN-ARCHITECTURE.*without BatchNorm"):
        build("bayesian:lenet5")
