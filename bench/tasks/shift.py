"""Accuracy under common corruptions, and whether they are noticed."""

from dataclasses import replace
from itertools import product

import torch

from bench import metrics
from bench.data import shift_conditions, shifted
from bench.inference import Case, Findings, look_at
from bench.records import Score
from bench.store import Outcome

Condition = tuple[str, int]


def shift(case: Case) -> Findings:
    """Accuracy and MSP AUROC of every corruption at every severity.

    Means over corruptions are views, computed where they are read.
    """
    conditions = list(product(case.protocol.corruptions, case.protocol.severities))
    measured = shift_conditions(case.suite)
    labels = torch.tensor(case.suite.test.labels)
    accuracies: dict[Condition, float] = {}
    outcomes: dict[Condition, Outcome] = {}
    for done, condition in enumerate(measured, start=1):
        images = shifted(case.suite, *condition, seed=case.protocol.shift_seed)
        evidence = look_at(case.submission.model, images, case.protocol, case.device)
        accuracies[condition] = metrics.accuracy(evidence.log_probabilities, labels)
        outcomes[condition] = evidence.outcome
        case.progress("shift", done, len(measured))

    noticed = torch.stack([-torch.from_numpy(outcome.msp) for outcome in outcomes.values()])
    areas = dict(zip(outcomes, metrics.auroc_rows(-case.clean.msp, noticed).tolist(), strict=True))
    scores = [
        score
        for condition in conditions
        for score in _scores(case, condition, accuracies.get(condition), areas.get(condition))
    ]
    return Findings(scores, {f"{name}/{level}": o for (name, level), o in outcomes.items()})


def _scores(
    case: Case, condition: Condition, accuracy: float | None, auroc: float | None
) -> list[Score]:
    n = len(case.suite.test.labels) if accuracy is not None else 0
    blank = Score(
        task="shift",
        set=case.suite.shift_name,
        corruption=condition[0],
        severity=condition[1],
        metric="accuracy",
        value=None,
        n=0,
        reason="not_applicable",
    )
    unnoticed = replace(blank, metric="auroc", detector="msp", batch_size=1)
    if accuracy is None or auroc is None:
        return [blank, unnoticed]
    stderr = metrics.binomial_stderr(accuracy, n)
    return [
        replace(blank, value=accuracy, n=n, stderr=stderr, reason=None),
        replace(unnoticed, value=auroc, n=2 * n, reason=None),
    ]
