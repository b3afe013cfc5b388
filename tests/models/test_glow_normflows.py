"""A step of ours against the block of another package, on the same weights."""

import normflows
import pytest
import torch

from bench.models.flow_steps import Step
from tests.models.flows import generator

CHANNELS, HIDDEN = 6, 5


@torch.no_grad()
def theirs(step: Step, *, affine: bool) -> normflows.flows.GlowBlock:
    """Their block runs from latents to images, and interleaves shift and scale."""
    block = normflows.flows.GlowBlock(CHANNELS, HIDDEN, scale=affine)
    coupling, mixing, norm = block.flows
    norm.s.copy_(-step.norm.log_scale.view_as(norm.s))
    norm.t.copy_(-step.norm.bias.view_as(norm.t))
    norm.data_dep_init_done.fill_(1)
    mixing.P.copy_(torch.eye(CHANNELS)[step.mixing.permutation])
    mixing.L.copy_(step.mixing.lower)
    mixing.U.copy_(step.mixing.upper)
    mixing.log_S.copy_(step.mixing.log_diagonal)
    mixing.sign_S.copy_(step.mixing.sign)
    ours = step.coupling
    convolutions = [m for m in coupling.modules() if isinstance(m, torch.nn.Conv2d)]
    for mine, other in zip((ours.conv1, ours.conv2, ours.conv3), convolutions, strict=True):
        other.weight.copy_(mine.weight)
        other.bias.copy_(mine.bias)
    last, half = convolutions[-1], CHANNELS // 2
    order = torch.arange(half)
    if affine:  # ours: logit, shift; theirs: shift subtracted, logit, in turns
        order = torch.stack([order + half, order], 1).flatten()
    sign = torch.tensor([-1.0, 1.0] if affine else [-1.0]).repeat(half)
    factor = (sign * (3 * ours.log_scale.flatten()[order]).exp())[:, None, None, None]
    last.weight.copy_(ours.conv3.weight[order] * factor)
    last.bias.copy_(ours.conv3.bias[order] * factor.flatten())
    return block


@pytest.mark.filterwarnings("ignore:torch.lu is deprecated:UserWarning")  # theirs, once
@pytest.mark.parametrize("affine", [False, True])
def test_a_step_is_the_block_of_normflows_run_backwards(affine):
    step = Step(CHANNELS, HIDDEN, affine=affine).eval()
    with torch.no_grad():
        step.mixing.initialise(generator())
        for parameter in step.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator(1)))
        x = torch.randn(7, CHANNELS, 4, 4, generator=generator(2))
        block = theirs(step, affine=affine)
        expected, log_determinant = block.inverse(x)
        y, ours = step(x)
        torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.expand(7), log_determinant, atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(step.inverse(y), block(expected)[0], atol=1e-5, rtol=1e-5)
