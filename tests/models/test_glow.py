"""Glow against algebra: inverses, Jacobians, integrals and closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from bench.errors import BenchError
from bench.models import Normalised, prunable
from bench.models.flow_steps import ActNorm, Mixing, Prior, Step
from bench.models.glow import FLOWS, Form, Glow, bits_per_dimension, fitted, fresh_flow
from tests.models.flows import ADDITIVE, AFFINE, generator, lively

COLOURED = replace(AFFINE, channels=3, levels=3)
FORMS = {"additive": ADDITIVE, "affine": AFFINE, "coloured": COLOURED}


def pixels(count, channels=1, side=28, seed=5):
    """Images as a data set has them: whole numbers of 255."""
    drawn = torch.randint(0, 256, (count, channels, side, side), generator=generator(seed))
    return drawn.float() / 255


def log_abs_det(function, point):
    """log|det| of the Jacobian of a function of one input, by automatic differentiation."""
    jacobian = torch.autograd.functional.jacobian(lambda x: function(x).flatten(), point)
    return torch.linalg.slogdet(jacobian.reshape(point.numel(), point.numel())).logabsdet


@pytest.mark.parametrize("name", FORMS)
def test_decoding_undoes_encoding(name):
    flow, form = lively(FORMS[name], spread=0.05), FORMS[name]
    with torch.no_grad():
        values = flow.values(pixels(16, form.channels, 32))
        latents = flow.encode(values).latents
        assert (flow.decode(latents) - values).abs().max() < 1e-4
    assert sum(latent[0].numel() for latent in latents) == flow.dimensions


@pytest.mark.parametrize("affine", [False, True])
def test_the_log_determinant_of_a_step_is_that_of_its_jacobian(affine):
    step = Step(4, 8, affine=affine).double().eval()
    with torch.no_grad():
        step.mixing.initialise(generator())
        for parameter in step.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator(1)))
    x = torch.randn(1, 4, 2, 2, generator=generator(2), dtype=torch.float64)
    log_determinant = step(x)[1]
    torch.testing.assert_close(log_determinant.squeeze(), log_abs_det(lambda y: step(y)[0], x))


@pytest.mark.parametrize("form", [ADDITIVE, AFFINE], ids=["additive", "affine"])
def test_the_log_determinant_of_a_flow_is_that_of_its_jacobian(form):
    flow = lively(form, spread=0.3).double()
    x = torch.randn(1, 1, 4, 4, generator=generator(2), dtype=torch.float64)
    expected = log_abs_det(lambda y: torch.cat([z.flatten() for z in flow.encode(y).latents]), x)
    torch.testing.assert_close(flow.encode(x).log_determinant.squeeze(), expected)
    assert expected.abs() > 0.1


@pytest.mark.parametrize("affine", [False, True])
def test_a_density_of_two_values_integrates_to_one(affine):
    step, prior = Step(2, 8, affine=affine).double().eval(), Prior(0, 2).double()
    with torch.no_grad():
        step.coupling.initialise(generator())
        draws = generator(3)
        for parameter in (*step.parameters(), *prior.parameters()):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draws))
        line = torch.linspace(-12, 12, 401, dtype=torch.float64)
        points = torch.cartesian_prod(line, line)[:, :, None, None]
        latent, log_determinant = step(points)
        density = (prior.log_density(latent, points[:, :0]) + log_determinant).exp()
    total = density.sum() * (line[1] - line[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-4)


def test_an_additive_flow_changes_the_volume_of_all_images_alike():
    flow = lively(ADDITIVE)
    first, second = (flow.encode(flow.values(pixels(3, seed=seed))) for seed in (1, 2))
    assert first.log_determinant.shape == ()
    assert first.log_determinant == second.log_determinant
    answers = flow(pixels(3, seed=1))
    shift = answers - first.log_prior  # the paper's code leaves it out: the ranking is the same
    torch.testing.assert_close(shift, shift[0].expand(3))
    affine = lively(AFFINE)
    assert affine.encode(affine.values(pixels(3))).log_determinant.unique().numel() == 3


@pytest.mark.parametrize("bits", [5, 8])
def test_bits_of_a_flow_that_does_nothing_are_those_of_a_standard_normal(bits):
    flow = fresh_flow(replace(ADDITIVE, bits=bits), generator())
    for module in flow.modules():
        if isinstance(module, Mixing):
            module.load_state_dict(Mixing(len(module.sign)).state_dict())  # the identity
    images = torch.randint(0, 256, (2, 1, 28, 28), generator=generator(4), dtype=torch.uint8)
    padded = np.pad(images.numpy().astype(np.int64), ((0, 0), (0, 0), (2, 2), (2, 2)))
    x = ((padded // 2 ** (8 - bits)) + 0.5) / 2**bits - 0.5
    nats = (x**2 / 2 + math.log(2 * math.pi) / 2).sum((1, 2, 3))
    expected = nats / (1024 * math.log(2)) + bits
    with torch.no_grad():
        found = flow.bits_per_dimension(flow(images.float() / 255))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_bits_per_dimension_are_those_of_a_uniform_code():
    nats = torch.tensor([-1024 * 5 * math.log(2), 0.0])
    torch.testing.assert_close(bits_per_dimension(nats, 1024), torch.tensor([5.0, 0.0]))


@pytest.mark.parametrize("bits", [1, 5, 8])
def test_every_value_falls_into_its_bin_and_noise_stays_within(bits):
    flow = Glow(replace(ADDITIVE, bits=bits))
    every = torch.arange(256).float().view(1, 1, 16, 16) / 255
    bins = torch.arange(256).view(1, 1, 16, 16) // 2 ** (8 - bits)
    inner = (..., slice(8, 24), slice(8, 24))
    for noise in (None, torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 1 - 2**-10)):
        values = flow.values(every, noise)[inner]
        within = (values + 0.5) * 2**bits - bins
        torch.testing.assert_close(
            within, torch.full_like(within, noise[0, 0, 0, 0] if noise is not None else 0.5)
        )
        assert values.min() >= -0.5
        assert values.max() < 0.5


def test_actnorm_starts_from_its_first_batch_in_training_and_from_no_other():
    norm = ActNorm(3)
    batch = torch.randn(64, 3, 5, 5, generator=generator()) * 4 + torch.arange(3).view(3, 1, 1)
    norm.start(batch)

    def applied(x):
        return norm.log_scale.exp()[:, None, None] * (x + norm.bias[:, None, None])

    std, mean = torch.std_mean(applied(batch), (0, 2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones(3), atol=1e-5, rtol=0)
    before = norm.bias.clone()
    norm.start(batch + 7)
    assert torch.equal(norm.bias, before)


def test_only_training_starts_a_flow_s_norms():
    flow, images = fresh_flow(ADDITIVE, generator()), pixels(8)
    flow(images)
    norms = [module for module in flow.modules() if isinstance(module, ActNorm)]
    assert not any(norm.initialised for norm in norms)
    flow.train()(images)
    assert len(norms) == 4
    assert all(norm.initialised for norm in norms)
    assert flow.eval()(images).mean() > fresh_flow(ADDITIVE, generator())(images).mean()


def test_a_fresh_mixing_is_a_rotation_or_a_reflection():
    mixing = Mixing(6)
    mixing.initialise(generator())
    weight = mixing.weight().detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), atol=1e-5, rtol=0)
    assert mixing.log_diagonal.sum().item() == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        mixing.log_diagonal.add_(torch.arange(6) / 10)
        expected = torch.linalg.slogdet(mixing.weight()).logabsdet
    torch.testing.assert_close(mixing.log_diagonal.sum().detach(), expected)


def test_samples_are_images_in_the_middle_of_their_bins_and_come_back():
    flow = lively(ADDITIVE, spread=0.02)
    images = flow.sample(5, generator(3))
    assert images.shape == (5, 1, 32, 32)
    assert torch.equal(images, flow.sample(5, generator(3)))
    assert not torch.equal(images, flow.sample(5, generator(4)))
    torch.testing.assert_close(images * 255 % 8, torch.full_like(images, 3.5))
    assert 0 <= images.min() < images.max() <= 1
    cold = flow.sample(2, generator(3), temperature=0)
    assert torch.equal(cold[0], cold[1])
    assert images.std() > cold.std()


def test_samples_are_distributed_as_the_density_says():
    """The mean log-density of samples is minus the entropy: closed form for a flow of no change."""
    flow = fresh_flow(replace(ADDITIVE, bits=8), generator())
    with torch.no_grad():
        for level in flow.levels:  # narrow, so that hardly a value is cut off at 0 or 255
            level.prior.bias.chunk(2)[1].fill_(-2.5)
        found = flow(flow.sample(64, generator(1))).mean().item() / 1024
    entropy = math.log(2 * math.pi * math.e) / 2 - 2.5 + 8 * math.log(2)
    assert found == pytest.approx(-entropy, rel=2e-3)


def test_grey_images_are_padded_for_one_channel_and_repeated_for_three():
    images = pixels(2)
    padded = fitted(images, (1, 32, 32))
    assert torch.equal(padded[..., 2:30, 2:30], images)
    assert padded.sum() == pytest.approx(images.sum().item())
    assert fitted(torch.rand(2, 1, 105, 105), (1, 32, 32)).shape == (2, 1, 32, 32)
    colours = fitted(images, (3, 32, 32))
    expected = interpolate(images, (32, 32), mode="bilinear", align_corners=False)
    for channel in range(3):
        torch.testing.assert_close(colours[:, channel], expected[:, 0], atol=1e-6, rtol=0)
    assert torch.equal(fitted(pixels(2, 3, 32), (3, 32, 32)), pixels(2, 3, 32))
    with pytest.raises(BenchError, match=r"E-BAD-VALUE: images: got 3 channels, expected 1"):
        fitted(pixels(2, 3, 32), (1, 32, 32))


@pytest.mark.parametrize("size", [28, 32])
def test_asking_a_flow_leaves_the_images_alone(size):
    images = pixels(2, side=size)
    before = images.clone()
    Normalised(lively(ADDITIVE))(images)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", FLOWS)
def test_what_pruners_see_of_a_flow_are_its_couplings_convolutions(name):
    form = FLOWS[name]
    with torch.device("meta"):
        weights = prunable(Glow(form))
    assert len(weights) == 3 * form.levels * form.steps
    assert all(".coupling.conv" in layer for layer in weights)
    numbers = 0
    for index in range(form.levels):
        half = form.channels * 2**index * 2
        numbers += half * form.hidden * 9 * (3 if form.affine else 2) + form.hidden**2
    assert sum(weight.numel() for weight in weights.values()) == numbers * form.steps


def test_the_papers_form_is_in_the_table():
    paper = Form(levels=4, steps=32, hidden=512, affine=False, bits=5, channels=3)
    assert FLOWS["glow"] == paper
    with torch.device("meta"):
        assert Glow(paper).dimensions == 3072
