import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
    roc_curve,
)
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from bench.metrics import (
    accuracy,
    aupr_id,
    aupr_outlier,
    auroc,
    binomial_stderr,
    brier,
    brier_l2,
    ece,
    fpr95,
    nll,
)

DETECTION = (auroc, aupr_id, aupr_outlier, fpr95)
CALIBRATION = (brier, brier_l2, lambda p, y: ece(p, y, 15), accuracy, lambda p, y: nll(p.log(), y))

few_values = st.integers(-20, 20).map(lambda k: k / 8)  # many ties, and exact under halving
any_values = st.floats(-1e6, 1e6, width=32)


def scores(values: st.SearchStrategy[float]) -> st.SearchStrategy[Tensor]:
    return arrays(np.float32, st.integers(1, 60), elements=values).map(torch.from_numpy)


some_scores = st.one_of(scores(few_values), scores(any_values))
seeds = st.integers(0, 2**32 - 1)


def predictions(
    seed: int, dtype: torch.dtype = torch.float64, images: int | None = None
) -> tuple[Tensor, Tensor]:
    """Random probabilities, from nearly uniform to saturated, and labels that they often meet."""
    generator = torch.Generator().manual_seed(seed)
    n, k = torch.randint(1, 80, (2,), generator=generator).tolist()
    n, k = images or n, 2 + k % 10
    sharpness = 10 ** float(torch.rand(1, generator=generator) * 3 - 1)
    logits = torch.randn(n, k, dtype=dtype, generator=generator) * sharpness
    labels = torch.where(
        torch.rand(n, generator=generator) < 0.6,
        logits.argmax(1),
        torch.randint(0, k, (n,), generator=generator),
    )
    return logits.softmax(1), labels


def detection_oracle(inside: Tensor, outside: Tensor) -> tuple[np.ndarray, np.ndarray]:
    anomaly = np.r_[np.zeros(len(inside), int), np.ones(len(outside), int)]
    return anomaly, torch.cat([inside, outside]).double().numpy()


# closed forms


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_uniform_predictions_have_the_scores_of_ignorance(classes: int) -> None:
    probabilities = torch.full((7, classes), 1 / classes, dtype=torch.float64)
    labels = torch.arange(7) % classes
    assert brier(probabilities, labels) == pytest.approx(1 - 1 / classes, abs=1e-12)
    assert brier_l2(probabilities, labels) == pytest.approx(math.sqrt(1 - 1 / classes), abs=1e-12)
    assert nll(probabilities.log(), labels) == pytest.approx(math.log(classes), abs=1e-12)


def test_the_root_brier_score_of_ten_uniform_classes_is_0_9487() -> None:
    assert brier_l2(torch.full((1, 10), 0.1), torch.tensor([3])) == pytest.approx(0.9487, abs=5e-5)


def test_rounding_leaves_no_range() -> None:
    """Of certain and wrong predictions the root score is √2, whose mean may round upwards."""
    labels = torch.ones(40, dtype=torch.long)
    wrong = torch.tensor([[1.0, 0.0]]).expand(40, -1)
    assert max(brier_l2(wrong[:n], labels[:n]) for n in range(1, 41)) == math.sqrt(2)
    assert brier(torch.tensor([[1.00001, 0.0]]), labels[:1]) == 2


def test_certain_predictions_are_scored_by_right_and_wrong() -> None:
    probabilities = torch.eye(4, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0])
    assert accuracy(probabilities, labels) == 0.75
    assert brier(probabilities, labels) == 2 / 4
    assert brier_l2(probabilities, labels) == pytest.approx(math.sqrt(2) / 4, abs=1e-15)
    assert ece(probabilities, labels, 15) == 0.25


def test_calibration_error_is_the_weighted_gap_of_its_bins() -> None:
    confidences = torch.tensor([0.9, 0.9, 0.6, 0.6], dtype=torch.float64)
    probabilities = torch.stack([confidences, 1 - confidences], dim=1)
    labels = torch.tensor([0, 1, 0, 0])
    assert ece(probabilities, labels, 10) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4, abs=1e-12)
    assert ece(probabilities, labels, 1) == pytest.approx(abs(0.75 - 0.75), abs=1e-12)


def test_separated_blocks_are_told_apart() -> None:
    inside, outside = torch.linspace(0, 1, 40), torch.linspace(2, 3, 60)
    assert auroc(inside, outside) == 1
    assert auroc(outside, inside) == 0
    assert aupr_id(inside, outside) == aupr_outlier(inside, outside) == 1
    assert fpr95(inside, outside) == 0
    assert fpr95(outside, inside) == 1


def test_equal_scores_are_chance() -> None:
    inside, outside = torch.zeros(30), torch.zeros(10)
    assert auroc(inside, outside) == 0.5
    assert aupr_id(inside, outside) == 0.75
    assert aupr_outlier(inside, outside) == 0.25
    assert fpr95(inside, outside) == 1


@pytest.mark.parametrize(("images", "passing"), [(1, 1), (19, 19), (20, 19), (21, 20), (100, 95)])
def test_the_95_percent_threshold_is_the_lowest_that_passes_enough(
    images: int, passing: int
) -> None:
    inside = torch.arange(1, images + 1).float()
    assert fpr95(inside, torch.tensor([float(passing)])) == 1
    assert fpr95(inside, torch.tensor([passing + 0.5])) == 0


def test_ten_thousand_equal_scores_do_not_overflow_the_pair_count() -> None:
    assert auroc(torch.zeros(60_000), torch.zeros(60_000)) == 0.5


def test_infinite_scores_are_ordered_like_any_other() -> None:
    inside, outside = torch.tensor([-math.inf, 0.0]), torch.tensor([0.0, math.inf])
    assert auroc(inside, outside) == (1 + 0.5 + 1 + 1) / 4


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (3, 10), (1, 1000)])
def test_the_standard_error_of_a_share_is_that_of_its_ones_and_zeros(hits: int, n: int) -> None:
    outcomes = np.r_[np.ones(hits), np.zeros(n - hits)]
    expected = outcomes.std() / math.sqrt(n)
    assert binomial_stderr(hits / n, n) == pytest.approx(expected, abs=1e-15)


# independent implementations


@settings(max_examples=300, deadline=None)
@given(inside=some_scores, outside=some_scores)
def test_detection_metrics_equal_scikit_learn(inside: Tensor, outside: Tensor) -> None:
    anomaly, values = detection_oracle(inside, outside)
    assert auroc(inside, outside) == pytest.approx(roc_auc_score(anomaly, values), abs=1e-12)
    assert aupr_outlier(inside, outside) == pytest.approx(
        average_precision_score(anomaly, values), abs=1e-12
    )
    assert aupr_id(inside, outside) == pytest.approx(
        average_precision_score(1 - anomaly, -values), abs=1e-12
    )
    passing_outliers, passing_images, _ = roc_curve(1 - anomaly, -values, drop_intermediate=False)
    assert fpr95(inside, outside) == passing_outliers[passing_images >= 0.95].min()


@settings(max_examples=200, deadline=None)
@given(seed=seeds)
def test_classification_metrics_equal_scikit_learn(seed: int) -> None:
    probabilities, labels = predictions(seed)
    classes = np.arange(probabilities.shape[1])
    assert accuracy(probabilities, labels) == accuracy_score(labels, probabilities.argmax(1))
    assert brier(probabilities, labels) == pytest.approx(
        brier_score_loss(
            labels.numpy(), probabilities.numpy(), labels=classes, scale_by_half=False
        ),
        abs=1e-9,
    )
    clipped = probabilities.clamp_min(1e-12)
    clipped /= clipped.sum(1, keepdim=True)
    assert nll(clipped.log(), labels) == pytest.approx(
        log_loss(labels.numpy(), clipped.numpy(), labels=classes), abs=1e-9
    )


@settings(max_examples=200, deadline=None)
@given(seed=seeds, bins=st.sampled_from([1, 10, 15]))
def test_calibration_error_equals_torchmetrics(seed: int, bins: int) -> None:
    probabilities, labels = predictions(seed, torch.float32)
    expected = multiclass_calibration_error(
        probabilities, labels, probabilities.shape[1], n_bins=bins, norm="l1"
    )
    assert ece(probabilities, labels, bins) == pytest.approx(float(expected), abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(seed=seeds, bins=st.sampled_from([1, 7, 15]))
def test_calibration_error_equals_its_definition_bin_by_bin(seed: int, bins: int) -> None:
    probabilities, labels = predictions(seed)
    confidences, predicted = (t.numpy() for t in probabilities.max(1))
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64).numpy()
    gap = 0.0
    for low, high in zip(edges, [*edges[1:], np.inf], strict=True):
        inside = (confidences >= low) & (confidences < high)
        if inside.any():
            right = (predicted == labels.numpy())[inside].mean()
            gap += inside.mean() * abs(right - confidences[inside].mean())
    assert ece(probabilities, labels, bins) == pytest.approx(gap, abs=1e-9)


def test_the_brier_score_of_float32_predictions_is_within_1e_6_of_float64() -> None:
    probabilities, labels = predictions(11, torch.float64, images=10_000)
    assert brier(probabilities.float(), labels) == pytest.approx(
        brier(probabilities, labels), abs=1e-6
    )


# properties


@settings(max_examples=200, deadline=None)
@given(inside=scores(few_values), outside=scores(few_values))
def test_detection_metrics_see_only_the_order(inside: Tensor, outside: Tensor) -> None:
    for metric in DETECTION:
        expected = metric(inside, outside)
        for increasing in (lambda s: s / 2 - 7, lambda s: s**3, torch.atan):
            assert metric(increasing(inside), increasing(outside)) == expected


@settings(max_examples=200, deadline=None)
@given(inside=some_scores, outside=some_scores)
def test_turning_scores_round_turns_the_area_round(inside: Tensor, outside: Tensor) -> None:
    area = auroc(inside, outside)
    assert auroc(-inside, -outside) == pytest.approx(1 - area, abs=1e-15)
    assert auroc(outside, inside) == pytest.approx(1 - area, abs=1e-15)
    assert aupr_id(inside, outside) == aupr_outlier(-outside, -inside)


@settings(max_examples=100, deadline=None)
@given(inside=some_scores, outside=some_scores, seed=seeds)
def test_detection_metrics_ignore_order_and_common_repetition(
    inside: Tensor, outside: Tensor, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shuffled = inside[torch.randperm(len(inside), generator=generator)]
    for metric in DETECTION:
        expected = metric(inside, outside)
        assert metric(shuffled, outside) == expected
        assert metric(inside.repeat(3), outside.repeat(3)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(seed=seeds)
def test_class_metrics_ignore_the_names_of_classes_and_repetition(seed: int) -> None:
    probabilities, labels = predictions(seed)
    probabilities = probabilities.clamp_min(1e-300)
    order = torch.randperm(probabilities.shape[1], generator=torch.Generator().manual_seed(seed))
    for metric in CALIBRATION:
        expected = metric(probabilities, labels)
        assert metric(probabilities[:, order], order.argsort()[labels]) == pytest.approx(
            expected, abs=1e-12
        )
        assert metric(probabilities.repeat(3, 1), labels.repeat(3)) == pytest.approx(
            expected, abs=1e-12
        )


@settings(max_examples=200, deadline=None)
@given(seed=seeds)
def test_class_metrics_stay_in_their_range(seed: int) -> None:
    probabilities, labels = predictions(seed, torch.float32)
    assert 0 <= brier(probabilities, labels) <= 2 + 1e-6
    assert 0 <= brier_l2(probabilities, labels) <= math.sqrt(2) + 1e-6
    assert 0 <= ece(probabilities, labels, 15) <= 1 + 1e-6
    assert brier_l2(probabilities, labels) ** 2 <= brier(probabilities, labels) + 1e-12
