"""The headline numbers of a run: what a ranking shows, each read from its own scores.

They follow from the scores alone. A store keeps them beside the scores, so that a ranking of
thousands of runs need not read them all, and finds them anew where `VERSION` is another.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from bench.protocol import COMMON_CORRUPTIONS, METRICS
from bench.records import Score

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Column:
    """A headline number: the mean, or the lowest, of some scores.

    Args:
        task: Of the scores.
        metric: Of the scores; its direction is the column's.
        title: For the head of a table.
        meaning: For readers, beside the metric's.
        conditions: Name of a condition -> the values that it may have.
        lowest: The lowest of the scores, one of each of its attacks, instead of their mean.
    """

    task: str
    metric: str
    title: str
    meaning: str = ""
    conditions: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    lowest: bool = False

    def reads(self, score: Score) -> bool:
        """Whether the score is one of its own."""
        return (score.task, score.metric) == (self.task, self.metric) and all(
            getattr(score, name) in allowed for name, allowed in self.conditions.items()
        )

    def rows(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The scores of a frame that are its own."""
        own = (frame["task"] == self.task) & (frame["metric"] == self.metric)
        for name, allowed in self.conditions.items():
            own &= frame[name].isin(allowed)
        return frame[own]


def _attacked(epsilon: float, *attacks: str) -> dict[str, tuple[object, ...]]:
    return {"attack": attacks, "epsilon": (epsilon,)}


def _by(detector: str) -> dict[str, tuple[object, ...]]:
    return {"detector": (detector,), "batch_size": (1,)}


LOSSES = ("fgsm-linf", "fgsm-linf-standardised", "fgsm-linf-margin")
SETS = "outlier sets against clean by {}, mean over the sets measured"
HEADLINE: Mapping[str, Column] = {
    "accuracy": Column("clean", "accuracy", "accuracy", "on the clean test set"),
    "fgsm_linf": Column(
        *("adversarial", "accuracy", "FGSM L∞", "under FGSM L∞, ε = 8/255"),
        _attacked(8 / 255, "fgsm-linf"),
    ),
    "fgsm_linf_worst": Column(
        *("adversarial", "accuracy", "FGSM L∞, worst loss"),
        "the same on the most harmful of three losses; no factor of the logits raises it",
        _attacked(8 / 255, *LOSSES),
        lowest=True,
    ),
    "fgsm_l2": Column(
        *("adversarial", "accuracy", "FGSM L2", "under FGSM L2, ε = 8/255"),
        _attacked(8 / 255, "fgsm-l2"),
    ),
    "fgsm_l2_half": Column(
        *("adversarial", "accuracy", "FGSM L2, ε 0.5", "under FGSM L2, ε = 0.5"),
        _attacked(0.5, "fgsm-l2"),
    ),
    "shift": Column(
        *("shift", "accuracy", "shift", "mean over the protocol's corruptions and severities")
    ),
    "shift_15": Column(
        *("shift", "accuracy", "shift, 15", "mean over the 15 corruptions of RobustBench"),
        {"corruption": COMMON_CORRUPTIONS},
    ),
    "shift_auroc": Column(
        *("shift", "auroc", "AUROC shift, MSP"),
        "shifted against clean by MSP, mean over the protocol's corruptions and severities",
        _by("msp"),
    ),
    "ood_msp": Column(
        *("outliers", "auroc", "AUROC outliers, MSP", SETS.format("MSP")), _by("msp")
    ),
    "ood_gradnorm": Column(
        *("outliers", "auroc", "AUROC outliers, GradNorm", SETS.format("GradNorm")), _by("gradnorm")
    ),
    "ood_sensnorm": Column(
        *("outliers", "auroc", "AUROC outliers, SensNorm", SETS.format("SensNorm")), _by("sensnorm")
    ),
    "out_of_domain_msp": Column(
        *("out-of-domain", "auroc", "AUROC out of domain, MSP"),
        "an outlier set × 255 against clean by MSP",
        _by("msp"),
    ),
    "out_of_domain_sensnorm": Column(
        *("out-of-domain", "auroc", "AUROC out of domain, SensNorm"),
        "an outlier set × 255 against clean by SensNorm",
        _by("sensnorm"),
    ),
    "likelihood_auroc": Column(
        *("likelihood", "auroc", "AUROC outliers, likelihood", SETS.format("likelihood"))
    ),
    "brier": Column("clean", "brier", "Brier"),
    "brier_l2": Column("clean", "brier_l2", "Brier, the paper's"),
    "nll": Column("clean", "nll", "NLL"),
    "ece": Column("clean", "ece", "ECE"),
    "lip_product_log10": Column("lipschitz", "lip_product_log10", "log10 Lipschitz, the paper's"),
    "lip_upper_log10": Column("lipschitz", "lip_upper_log10", "log10 Lipschitz"),
    "lip_lower": Column("lipschitz", "lip_lower", "Lipschitz, at least"),
    "latency_ratio": Column("cost", "latency_ratio", "latency"),
    "macs_sparse": Column("cost", "macs_sparse", "sparse MACs"),
    "size_bytes": Column("cost", "size_bytes", "bytes"),
}
VERSION = hashlib.sha256(repr(HEADLINE).encode()).hexdigest()[:16]
# Reasons that a mean passes over: the set cannot exist, or is not on the machine that scored.
PASSED_OVER = ("not_applicable", "not_run")


def reasons_of(missing: str) -> dict[str, str]:
    """Why headline numbers are missing, as the cell `missing` of a store's frame says it."""
    return dict(part.split(": ") for part in missing.split("; ") if part)


def higher_is_better(column: str) -> bool | None:
    """Direction of a headline column."""
    return METRICS[HEADLINE[column].metric].higher_is_better


def is_logarithm(column: str) -> bool:
    """Whether a headline column is a logarithm, whose ratio to dense is a difference."""
    return METRICS[HEADLINE[column].metric].unit == "log10"


def headline(scores: Iterable[Score]) -> dict[str, float | str]:
    """Each headline number of a run, or the reason that there is none.

    A mean is over the sets that were measured; sets that are `not_applicable` or `not_run` are no
    part of it. Where a set `failed` or was `declined`, or nothing was measured, there is none.
    Numbers of classes are `not_applicable` to a flow, and the other way round.
    """
    rows = defaultdict(list)
    for score in scores:
        rows[score.task, score.metric].append(score)
    flow = any(task == "likelihood" for task, _ in rows)
    return {
        name: _number(
            column, [score for score in rows[column.task, column.metric] if column.reads(score)]
        )
        if column.task == "cost" or (column.task == "likelihood") == flow
        else "not_applicable"
        for name, column in HEADLINE.items()
    }


def _number(column: Column, scores: list[Score]) -> float | str:
    values = [score.value for score in scores if score.value is not None]
    reasons = {score.reason for score in scores if score.reason is not None}
    broken = reasons.difference(PASSED_OVER)
    if broken or not values:
        return min(broken or reasons, default="not_run")
    if not column.lowest:
        return fmean(values)
    attacks = {score.attack for score in scores if score.value is not None}
    return float(min(values)) if attacks == {*column.conditions["attack"]} else "not_run"
