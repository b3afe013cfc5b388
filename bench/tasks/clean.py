"""Accuracy and calibration on the untouched test set."""

import torch

from bench import metrics
from bench.classification import accuracy_score
from bench.inference import Case, Findings
from bench.records import Score


def clean(case: Case) -> Findings:
    """Accuracy, both Brier scores, NLL and ECE of the shared clean evidence."""
    answers = case.clean.log_probabilities
    labels = torch.tensor(case.suite.test.labels)
    probabilities = answers.exp()
    about = Score.about("clean", case.suite.test.name)
    values = {
        "brier": metrics.brier(probabilities, labels),
        "brier_l2": metrics.brier_l2(probabilities, labels),
        "nll": metrics.nll(answers, labels),
        "ece": metrics.ece(probabilities, labels, bins=case.protocol.ece_bins),
    }
    scores = [about.measured(metric, value, len(labels)) for metric, value in values.items()]
    accuracy = accuracy_score(about, answers, labels)
    return Findings([accuracy, *scores], {about.set: case.clean.outcome})
