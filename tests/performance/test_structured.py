"""Networks without four fifths of the channels of every layer against whole ones."""

from dataclasses import replace

import pytest
import torch

from bench.pruners import PRUNERS
from bench.pruners.cutting import cut
from tests.performance.timing import interleaved, said
from tests.pruners.settings import tiny


@pytest.mark.parametrize(
    ("name", "most"), [("lenet5", 0.8), ("resnet18", 0.4), ("alexnet", 0.3), ("conv6", 0.3)]
)
def test_a_network_without_four_fifths_of_its_channels_answers_sooner(name, most):
    dense, pruned = tiny(name), tiny(name)
    cut(pruned, replace(PRUNERS["random"], structure="structured", scope="local"), 0.8)
    images = torch.rand(250, *dense.setting.data.images.shape[1:])

    @torch.inference_mode()
    def answer(training):
        return training.model.eval()(images)

    taken = interleaved(5, dense=lambda: answer(dense), pruned=lambda: answer(pruned))
    ratio = taken["pruned"] / taken["dense"]
    said(f"{name} without 0.8 of its channels: {ratio:.2f} of the dense forward pass")
    assert ratio <= most
