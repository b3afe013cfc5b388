import math

import pytest
import torch

from bench.metrics import (
    accuracy,
    aupr_id,
    aupr_outlier,
    auroc,
    brier,
    brier_l2,
    ece,
    fpr95,
    nll,
)

DETECTION = (auroc, aupr_id, aupr_outlier, fpr95)
CALIBRATION = (brier, brier_l2, lambda p, y: ece(p, y, 15), accuracy, lambda p, y: nll(p.log(), y))


@pytest.mark.parametrize("metric", DETECTION)
def test_detection_metrics_refuse_nothing_and_nan(metric) -> None:
    good = torch.zeros(3)
    for inside, outside in ((good[:0], good), (good, good[:0])):
        with pytest.raises(ValueError, match=r"got shape .*0\)?"):
            metric(inside, outside)
    for inside, outside in ((good.log() * 0, good), (good, good.log() * 0)):
        with pytest.raises(ValueError, match="got 3 NaN of 3"):
            metric(inside, outside)


@pytest.mark.parametrize("metric", CALIBRATION)
def test_class_metrics_refuse_nothing_nan_and_strange_labels(metric) -> None:
    probabilities = torch.full((2, 4), 0.25)
    with pytest.raises(ValueError, match=r"\(0, 4\)"):
        metric(probabilities[:0], torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"labels \(3,\)"):
        metric(probabilities, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="got 8 NaN of 8"):
        metric(probabilities * math.nan, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="got 0 to 4, expected 0 to 3"):
        metric(probabilities, torch.tensor([0, 4]))


@pytest.mark.parametrize("metric", CALIBRATION[:3])
def test_logits_are_not_taken_for_probabilities(metric) -> None:
    with pytest.raises(ValueError, match="off 1 by 1, expected at most 1e-4"):
        metric(torch.tensor([[1.0, 1.0]]), torch.tensor([0]))
