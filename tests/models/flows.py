"""Small flows that do something: every parameter is drawn, none is at its start."""

from dataclasses import replace

import torch

from bench.models.glow import FLOWS, Form, Glow, fresh_flow

ADDITIVE = FLOWS["glow-tiny"]
AFFINE = replace(ADDITIVE, affine=True, bits=8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def lively(form: Form, *, spread: float = 0.1, seed: int = 0) -> Glow:
    """A fresh flow whose parameters are all moved a little."""
    flow = fresh_flow(form, generator(seed))
    for parameter in flow.parameters():
        parameter.add_(spread * torch.randn(parameter.shape, generator=generator(seed + 1)))
    return flow
