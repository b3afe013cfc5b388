"""Accuracy under common corruptions, and whether they are noticed."""

from dataclasses import replace
from itertools import product

import torch

from bench.classification import accuracy_score
from bench.data import shift_conditions, shifted
from bench.detection import AREA, compared, detection_scores, missing_scores
from bench.inference import Case, Findings, exhibit, look_at
from bench.records import Score
from bench.store import Outcome, outcome_key


def shift(case: Case) -> Findings:
    """Accuracy and AUROC of every corruption at every severity.

    MSP looks for all of them, the other detectors for the worst severity. Means over corruptions
    are views, computed where they are read.
    """
    protocol, possible = case.protocol, shift_conditions(case.suite)
    conditions = list(product(protocol.corruptions, protocol.severities))
    measured = [condition for condition in conditions if condition in possible]
    labels, inside = torch.tensor(case.suite.test.labels), -case.clean.msp
    share = -(-protocol.gradient_groups // len(protocol.corruptions))
    scores: list[Score] = []
    outcomes: dict[str, Outcome] = {}
    for corruption, severity in conditions:
        about = Score.about(
            "shift", case.suite.shift_name, corruption=corruption, severity=severity
        )
        if (corruption, severity) not in measured:
            scores += _inapplicable(case, about)
            continue
        images = shifted(case.suite, corruption, severity, seed=protocol.shift_seed)
        evidence = look_at(case.submission.model, images, protocol, case.device)
        scores.append(accuracy_score(about, evidence.log_probabilities, labels))
        if severity == max(protocol.severities):
            shown = exhibit(evidence, images, protocol, case.device, case.progress)
            scores += detection_scores(case, about, replace(shown, most=share), AREA)
        else:
            scores += compared(_single(about), inside, -evidence.msp, AREA)
        outcomes[outcome_key(about)] = evidence.outcome
        case.progress("shift", len(outcomes), len(measured))
    return Findings(scores, outcomes)


def _single(about: Score) -> Score:
    return replace(about, detector="msp", batch_size=1)


def _inapplicable(case: Case, about: Score) -> list[Score]:
    gone = replace(about, reason="not_applicable")
    if about.severity == max(case.protocol.severities):
        unnoticed = missing_scores(case, gone, "not_applicable", AREA)
    else:
        unnoticed = [_single(gone)]
    return [replace(gone, metric="accuracy"), *unnoticed]
