"""Glow's forward pass against the convolutions of its couplings alone."""

import time

import pytest
import torch
from torch import Tensor, nn

from bench.models.flow_steps import Coupling
from bench.models.glow import FLOWS, fresh_flow
from tests.performance.timing import interleaved, said


def convolutions_of(flow: nn.Module, images: Tensor) -> list[tuple[nn.Conv2d, Tensor]]:
    """Every convolution of a coupling, with an input of the shape and layout that it gets."""
    met: list[tuple[nn.Conv2d, Tensor]] = []

    def note(layer: nn.Conv2d, inputs: tuple[Tensor]) -> None:
        layout = torch.channels_last
        met.append((layer, torch.rand(inputs[0].shape).contiguous(memory_format=layout)))

    layers = [
        part
        for coupling in flow.modules()
        if isinstance(coupling, Coupling)
        for part in coupling.children()
        if isinstance(part, nn.Conv2d)
    ]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    flow(images)
    for hook in hooks:
        hook.remove()
    assert len(met) == len(layers)
    return met


@pytest.mark.parametrize(
    ("name", "count", "rounds", "most"), [("glow-small", 64, 9, 1.7), ("glow", 16, 3, 1.2)]
)
@torch.no_grad()
def test_a_forward_pass_costs_little_more_than_its_convolutions(
    name: str, count: int, rounds: int, most: float
) -> None:
    """In time of the processor; with 64 hidden channels what is between convolutions shows."""
    flow = fresh_flow(FLOWS[name], torch.Generator().manual_seed(0))
    flow.to(memory_format=torch.channels_last)
    images = torch.rand(count, FLOWS[name].channels, 32, 32)
    bare = convolutions_of(flow, images)

    def alone() -> None:
        for layer, inputs in bare:
            layer(inputs)

    taken = interleaved(rounds, time.process_time, alone=alone, whole=lambda: flow(images))
    ratio = taken["whole"] / taken["alone"]
    said(f"{name} on {count} images: {ratio:.3f} of its convolutions ({taken['alone']:.3f} s)")
    assert ratio <= most
