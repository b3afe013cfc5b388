"""How often a model is right, as a score."""

from torch import Tensor

from bench import metrics
from bench.records import Score


def accuracy_score(about: Score, log_probabilities: Tensor, labels: Tensor) -> Score:
    """Accuracy with its standard error.

    Args:
        about: What was answered.
        log_probabilities: (N, K) float.
        labels: (N,) int64.
    """
    accuracy, n = metrics.accuracy(log_probabilities, labels), len(labels)
    return about.measured("accuracy", accuracy, n, metrics.binomial_stderr(accuracy, n))
