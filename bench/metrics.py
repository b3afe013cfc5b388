"""Metrics as plain functions of CPU tensors, accumulated in float64.

Nothing here runs a model, and nothing compares one run with another.
"""

import math

import numpy as np
import torch
from torch import Tensor


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Share of images whose highest score is at the label.

    Args:
        scores: (N, K) float: logits, probabilities or log-probabilities.
        labels: (N,) int64 in [0, K).

    Returns:
        Accuracy in [0, 1]; higher is better. Of equal scores the first class counts.

    Raises:
        ValueError: If there is no image, a score is NaN or a label is out of range.
    """
    _check_classes(scores, labels)
    return float((scores.argmax(1) == labels).double().mean())


def brier(probabilities: Tensor, labels: Tensor) -> float:
    """Squared distance between the predicted distribution and the one-hot label.

    Summed over the K classes, averaged over the N images. Libraries that average over classes as
    well report this number divided by K.

    Args:
        probabilities: (N, K) float; every row sums to 1.
        labels: (N,) int64 in [0, K).

    Returns:
        Brier score in [0, 2]; lower is better. The uniform prediction has 1 - 1/K.

    Raises:
        ValueError: If there is no image, a value is NaN, a label is out of range or a row does not
            sum to 1 within 1e-4.

    References:
        Brier, Verification of forecasts expressed in terms of probability, 1950.
    """
    return min(float(_squared_distances(probabilities, labels).mean()), 2.0)  # but for rounding


def brier_l2(probabilities: Tensor, labels: Tensor) -> float:
    """Distance between the predicted distribution and the one-hot label, not squared.

    The number behind the paper's "Brier score". It is not a proper score; use it for comparison
    with the paper alone.

    Args:
        probabilities: (N, K) float; every row sums to 1.
        labels: (N,) int64 in [0, K).

    Returns:
        Mean Euclidean distance in [0, √2]; lower is better. Uniform: √(1 - 1/K).

    Raises:
        ValueError: As in `brier`.

    References:
        Ayle et al., 2022, figure 3a, and its code.
    """
    return min(float(_squared_distances(probabilities, labels).sqrt().mean()), math.sqrt(2))


def nll(log_probabilities: Tensor, labels: Tensor) -> float:
    """Mean negative log-probability of the label, in nats.

    Args:
        log_probabilities: (N, K) float, at most 0.
        labels: (N,) int64 in [0, K).

    Returns:
        Negative log-likelihood in [0, ∞); lower is better. Uniform: log K.

    Raises:
        ValueError: If there is no image, a value is NaN or a label is out of range.
    """
    _check_classes(log_probabilities, labels)
    return float(-log_probabilities.gather(1, labels[:, None]).double().mean())


def ece(probabilities: Tensor, labels: Tensor, bins: int) -> float:
    """Expected calibration error of the most probable class.

    Σ_b (n_b/N) |accuracy_b - confidence_b| over equal-width bins [b/bins, (b+1)/bins) of the
    confidence. A confidence of exactly 1 has a bin of its own, as in torchmetrics.

    Args:
        probabilities: (N, K) float; every row sums to 1.
        labels: (N,) int64 in [0, K).
        bins: Number of bins, at least 1.

    Returns:
        Error in [0, 1]; lower is better.

    Raises:
        ValueError: As in `brier`.

    References:
        Guo et al., On calibration of modern neural networks, 2017, equation 5.
    """
    _check_probabilities(probabilities, labels)
    confidences, predicted = probabilities.max(1)
    edges = torch.linspace(0, 1, bins + 1, dtype=confidences.dtype, device=confidences.device)
    cells = torch.bucketize(confidences, edges, right=True) - 1
    surplus = (predicted == labels).double() - confidences.double()
    gaps = surplus.new_zeros(bins + 1).index_add_(0, cells.clamp_max(bins), surplus)
    return float(gaps.abs().sum() / len(labels))


def binomial_stderr(share: float, n: int) -> float:
    """Standard error √(p(1 − p)/n) of a share of n independent images."""
    return math.sqrt(share * (1 - share) / n)


def auroc(id_scores: Tensor, outlier_scores: Tensor) -> float:
    """Area under the ROC curve with the anomaly as the positive class.

    The probability that an anomaly has a higher score than an in-distribution image, ties
    counted ½ (the Mann-Whitney statistic), exact but for the last division.

    Args:
        id_scores: (N,) float outlier scores of in-distribution images; higher = more anomalous.
        outlier_scores: (M,) float outlier scores of the anomalies, same dtype.

    Returns:
        Area in [0, 1]; higher is better, ½ is chance.

    Raises:
        ValueError: If a set is empty or a score is NaN.
    """
    _check_scores("id_scores", id_scores)
    _check_scores("outlier_scores", outlier_scores)
    # NumPy sorts floats several times faster than torch does, and sorted queries search faster
    inside, outside = np.sort(id_scores.numpy()), np.sort(outlier_scores.numpy())
    wins = sum(int(np.searchsorted(inside, outside, side).sum()) for side in ("left", "right"))
    return wins / (2 * len(inside) * len(outside))


def auroc_stderr(id_scores: Tensor, outlier_scores: Tensor) -> float | None:
    """Standard error of `auroc` over the draw of both sets, one independent of the other.

    Args:
        id_scores: (N,) float outlier scores of in-distribution images; higher = more anomalous.
        outlier_scores: (M,) float outlier scores of the anomalies, same dtype.

    Returns:
        At least 0, or None if a set has a single score.

    References:
        DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated
        receiver operating characteristic curves, 1988.
    """
    if min(len(id_scores), len(outlier_scores)) < 2:
        return None
    inside, outside = np.sort(id_scores.numpy()), np.sort(outlier_scores.numpy())
    variance = sum(
        _placements(*pair).var(ddof=1) / len(pair[0])
        for pair in ((inside, outside), (outside, inside))
    )
    return math.sqrt(variance)


def _placements(of: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Share of the others that is below each score, ties counted ½; both sorted."""
    below, up_to = (np.searchsorted(among, of, side) for side in ("left", "right"))
    return (below + up_to) / (2 * len(among))


def aupr_outlier(id_scores: Tensor, outlier_scores: Tensor) -> float:
    """Average precision with the anomaly as the positive class.

    Σ_t (recall_t - recall_{t-1}) precision_t over the distinct scores t, without interpolation.

    Args:
        id_scores: (N,) float outlier scores of in-distribution images; higher = more anomalous.
        outlier_scores: (M,) float outlier scores of the anomalies, same dtype.

    Returns:
        Average precision in (0, 1]; higher is better, M/(N + M) is chance.

    Raises:
        ValueError: If a set is empty or a score is NaN.
    """
    _check_scores("id_scores", id_scores)
    _check_scores("outlier_scores", outlier_scores)
    return _average_precision(outlier_scores, id_scores)


def aupr_id(id_scores: Tensor, outlier_scores: Tensor) -> float:
    """Average precision with in-distribution as the positive class, scored by minus the score.

    Args:
        id_scores: (N,) float outlier scores of in-distribution images; higher = more anomalous.
        outlier_scores: (M,) float outlier scores of the anomalies, same dtype.

    Returns:
        Average precision in (0, 1]; higher is better, N/(N + M) is chance.

    Raises:
        ValueError: If a set is empty or a score is NaN.
    """
    _check_scores("id_scores", id_scores)
    _check_scores("outlier_scores", outlier_scores)
    return _average_precision(-id_scores, -outlier_scores)


def fpr95(id_scores: Tensor, outlier_scores: Tensor) -> float:
    """Share of anomalies that pass where 95 % of the in-distribution images pass.

    An image passes if its outlier score is at most the threshold, which is the ⌈0.95 N⌉-th
    smallest score of the N in-distribution images: the lowest at which at least 95 % of them
    pass. Anomalies tied with it pass.

    Args:
        id_scores: (N,) float outlier scores of in-distribution images; higher = more anomalous.
        outlier_scores: (M,) float outlier scores of the anomalies, same dtype.

    Returns:
        Share in [0, 1]; lower is better.

    Raises:
        ValueError: If a set is empty or a score is NaN.

    References:
        Liang et al., Enhancing the reliability of out-of-distribution image detection (ODIN), 2018.
    """
    _check_scores("id_scores", id_scores)
    _check_scores("outlier_scores", outlier_scores)
    passing = -(-95 * len(id_scores) // 100)
    threshold = id_scores.kthvalue(passing).values
    return float((outlier_scores <= threshold).double().mean())


def _average_precision(positive: Tensor, negative: Tensor) -> float:
    """Average precision of scores that are higher for positives."""
    ordered, order = torch.cat([positive, negative]).sort(descending=True)
    hits = (order < len(positive)).cumsum(0)
    ends = torch.cat([ordered[1:] != ordered[:-1], torch.ones(1, dtype=torch.bool)]).nonzero()[:, 0]
    precision = hits[ends].double() / (ends + 1)
    gained = hits[ends].diff(prepend=hits.new_zeros(1))
    return float((gained * precision).sum() / len(positive))


def _squared_distances(probabilities: Tensor, labels: Tensor) -> Tensor:
    """(N,) float64 squared distances to the one-hot labels."""
    _check_probabilities(probabilities, labels)
    residuals = probabilities.double()
    residuals = residuals.scatter_add(1, labels[:, None], -torch.ones_like(residuals[:, :1]))
    return residuals.square().sum(1)


def _check_probabilities(probabilities: Tensor, labels: Tensor) -> None:
    _check_classes(probabilities, labels)
    error = float((probabilities.double().sum(1) - 1).abs().max())
    if error > 1e-4:
        raise ValueError(f"probabilities: got a row off 1 by {error:.3g}, expected at most 1e-4")


def _check_classes(scores: Tensor, labels: Tensor) -> None:
    if scores.ndim != 2 or scores.numel() == 0 or labels.shape != scores.shape[:1]:
        raise ValueError(
            f"scores {tuple(scores.shape)} and labels {tuple(labels.shape)}: "
            "expected (N, K) and (N,) with N and K at least 1"
        )
    if unknown := int(scores.isnan().sum()):
        raise ValueError(f"scores: got {unknown} NaN of {scores.numel()}, expected none")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= scores.shape[1]:
        raise ValueError(f"labels: got {low} to {high}, expected 0 to {scores.shape[1] - 1}")


def _check_scores(name: str, scores: Tensor) -> None:
    if scores.ndim != 1 or scores.numel() == 0:
        raise ValueError(
            f"{name}: got shape {tuple(scores.shape)}, expected one dimension and at least one "
            "score"
        )
    if unknown := int(scores.isnan().sum()):
        raise ValueError(f"{name}: got {unknown} NaN of {scores.numel()}, expected none")
