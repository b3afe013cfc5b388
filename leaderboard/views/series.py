"""Numbers that are no headline: of each attack, corruption or set, as one column each."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bench.headline import PASSED_OVER


@dataclass(frozen=True, slots=True)
class Series:
    """Scores that are drawn beside each other.

    Args:
        task: Of the scores.
        metric: Of the scores.
        by: Condition of which each value has a chart of its own.
        detected: Whether a detector gave them, so that one has to be chosen.
    """

    task: str
    metric: str
    by: tuple[str, ...]
    detected: bool


ATTACK, CORRUPTION, SET = ("attack", "epsilon"), ("corruption",), ("set",)
SERIES: Mapping[str, Series] = {
    "each attack: accuracy": Series("adversarial", "accuracy", ATTACK, False),
    "each attack: AUROC": Series("adversarial", "auroc", ATTACK, True),
    "each corruption: accuracy": Series("shift", "accuracy", CORRUPTION, False),
    "each corruption: AUROC": Series("shift", "auroc", CORRUPTION, True),
    "each outlier set: AUROC": Series("outliers", "auroc", SET, True),
    "out of domain: AUROC": Series("out-of-domain", "auroc", SET, True),
}


def wide(scores: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    """Scores as one column for each attack, corruption or set.

    Args:
        scores: Of `bench.store.score_frame`, of one task, metric and detector.
        by: Conditions that name a column.

    Returns:
        Indexed by `run_id`; columns in the order of the scores. Where there are several severities
        their mean; NaN where one of them failed or was declined, or none was measured.
    """
    named = scores.assign(what=_named(scores, by))
    order = list(dict.fromkeys(named["what"]))
    broken = named["value"].isna() & ~named["reason"].isin(PASSED_OVER)
    grouped = named.assign(broken=broken).groupby(["run_id", "what"], sort=False)
    means = grouped["value"].mean().where(~grouped["broken"].any())
    return means.unstack("what").reindex(columns=order).rename_axis(columns=None)


def reasons(scores: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    """The same frame of the reasons of missing numbers; NaN where there is none."""
    missing = scores[scores["value"].isna()]
    named = missing.assign(what=_named(missing, by))
    grouped = named.groupby(["run_id", "what"], sort=False)["reason"]
    return grouped.agg(lambda some: ", ".join(sorted(set(some)))).unstack("what")


def _named(scores: pd.DataFrame, by: tuple[str, ...]) -> pd.Series:
    name = scores[by[0]].astype(object)
    if "epsilon" not in by:
        return name
    radius = scores["epsilon"]
    in_steps = (radius * 255).round(6)
    spelt = [
        f"{steps:g}/255" if float(steps).is_integer() else f"{epsilon:g}"
        for steps, epsilon in zip(in_steps, radius, strict=True)
    ]
    return name + " ε " + pd.Series(spelt, index=scores.index, dtype=object)
