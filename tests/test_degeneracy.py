"""Shares of blank answers and odd weights, against counts by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.degeneracy import saturated_share, tied_share, top_class_share
from bench.models.sparsity import near_zero


def test_shares_of_four_answers_by_hand():
    logits = torch.tensor([[5.0, 0.0, 1.0], [0.0, 4.0, 3.0], [50.0, 0.0, 0.0], [9.0, 8.0, 2.0]])
    answers = logits.log_softmax(1)
    assert top_class_share(answers) == 0.75
    assert saturated_share(answers) == 0.25  # a margin of 50
    assert tied_share(logits) == 0.5  # a margin of 1 twice


def test_a_margin_of_zero_is_a_tie_with_itself():
    assert tied_share(torch.tensor([[1.0, 1.0, 0.0], [3.0, 1.0, 0.0]])) == 0.5


@pytest.mark.parametrize("margin", [16.0, 17.0])
def test_confidence_rounds_to_one_between_a_margin_of_16_and_17(margin):
    answers = torch.tensor([[margin, 0.0]]).log_softmax(1)
    assert saturated_share(answers) == (margin == 17)


@given(st.integers(-60, 60))
def test_no_power_of_two_makes_or_breaks_ties(exponent):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(100, 10, generator=generator)
    logits[50:] = logits[:50]
    logits[:10] += torch.randn(10, 10, generator=generator)
    assert tied_share(logits * 2.0**exponent) == tied_share(logits) == 0.8


def test_weights_next_to_zero_are_counted_without_zeros_and_biases():
    network = nn.Sequential(nn.Linear(5, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        network[0].weight.copy_(
            torch.tensor([[0.0, 1e-41, -1e-38, 1e-30, -9e-9], [1e-8, 1.0, -2.0, 3.0, 0.0]])
        )
        network[0].bias.fill_(1e-41)
    found = near_zero(network)
    assert (found.count, found.tiny, found.denormal) == (10, 0.4, 0.2)
