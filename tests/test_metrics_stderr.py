"""The standard error of AUROC, against its definition and against draws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from bench.metrics import auroc, auroc_stderr

scores = arrays(
    np.float32, st.integers(2, 60), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])
).map(torch.from_numpy)


def test_the_area_and_its_error_leave_the_scores_as_they_are() -> None:
    inside, outside = torch.tensor([3.0, 1, 2]), torch.tensor([5.0, 4])
    auroc(inside, outside)
    auroc_stderr(inside, outside)
    assert inside.tolist() == [3, 1, 2]
    assert outside.tolist() == [5, 4]


@settings(max_examples=100)
@given(inside=scores, outside=scores)
def test_the_error_of_the_area_is_that_of_all_pairs(inside: Tensor, outside: Tensor) -> None:
    """DeLong's structural components, straight from their definition."""
    wins = (outside[:, None] > inside).double() + (outside[:, None] == inside).double() / 2
    variance = wins.mean(1).var() / len(outside) + wins.mean(0).var() / len(inside)
    assert auroc_stderr(inside, outside) == pytest.approx(float(variance.sqrt()), abs=1e-12)


def test_the_error_of_the_area_is_its_deviation_over_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    inside = torch.randn(400, 60, generator=generator)
    outside = torch.randn(400, 90, generator=generator) + 1
    areas = torch.tensor([auroc(*pair) for pair in zip(inside, outside, strict=True)])
    errors = torch.tensor([auroc_stderr(*pair) for pair in zip(inside, outside, strict=True)])
    assert float(errors.mean()) == pytest.approx(float(areas.std()), rel=0.1)


def test_one_score_has_no_error_of_the_area() -> None:
    assert auroc_stderr(torch.tensor([1.0]), torch.tensor([2.0, 3])) is None
    assert auroc_stderr(torch.tensor([2.0, 3]), torch.tensor([1.0])) is None
