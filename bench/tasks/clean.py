"""Accuracy and calibration on the untouched test set."""

import torch

from bench import metrics
from bench.inference import Case, Findings
from bench.records import Score


def clean(case: Case) -> Findings:
    """Accuracy, both Brier scores, NLL and ECE of the shared clean evidence."""
    answers = case.clean.log_probabilities
    labels = torch.tensor(case.suite.test.labels)
    probabilities = answers.exp()
    accuracy = metrics.accuracy(answers, labels)
    values = {
        "accuracy": accuracy,
        "brier": metrics.brier(probabilities, labels),
        "brier_l2": metrics.brier_l2(probabilities, labels),
        "nll": metrics.nll(answers, labels),
        "ece": metrics.ece(probabilities, labels, bins=case.protocol.ece_bins),
    }
    name, n = case.suite.test.name, len(labels)
    errors = {"accuracy": metrics.binomial_stderr(accuracy, n)}
    scores = [
        Score(task="clean", set=name, metric=metric, value=value, n=n, stderr=errors.get(metric))
        for metric, value in values.items()
    ]
    return Findings(scores, {name: case.clean.outcome})
