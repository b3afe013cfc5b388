"""What a reader needs beside the numbers: names of the groups, meanings of the columns."""

import hashlib
from collections.abc import Mapping, Sequence

import pandas as pd

from bench.headline import HEADLINE, higher_is_better, is_logarithm
from bench.protocol import METRICS
from bench.ranking import GROUP
from bench.records import Reason

ARROW = {True: " ↑", False: " ↓", None: ""}  # to the end that is better
REASONS: Mapping[Reason, str] = {
    "not_run": "not asked for, or its images are not on the machine that scored",
    "not_applicable": "cannot exist for this network or these images",
    "failed": "the measurement ended without a finite number",
    "declined": "refused by whoever scored it",
}
CONVENTIONS = (
    "Runs are ranked only within one suite, limit, protocol and set of images. Anomalies are "
    "the positive class; fpr95 is the share of outliers that pass at the threshold that passes "
    "95 % of the in-distribution images. Sets named …-c* are generated, not the official ones."
)


def groups(table: pd.DataFrame, first: "pd.Index[str] | None" = None) -> dict[str, pd.DataFrame]:
    """The rows of `bench.ranking.summary` by comparable group, each under a readable name.

    Args:
        table: The summary.
        first: Ids of runs; groups with most of them come first, then the largest. None: groups
            come by their suite, limit and protocol.
    """
    parts = [rows for _, rows in table.groupby(GROUP, dropna=False, sort=True)]
    if first is not None:
        parts.sort(key=lambda rows: (-int((first.get_indexer(rows.index) >= 0).sum()), -len(rows)))
    names = [_name(rows.iloc[0]) for rows in parts]
    return {_short(name, names): rows for name, rows in zip(names, parts, strict=True)}


def _name(row: pd.Series) -> tuple[str, str, str]:
    """What a group is called, and its constants and images, which may differ under one name."""
    images = "" if pd.isna(row["limit"]) else f" · first {row['limit']:g}"
    called = f"{row['suite']} · {row['preset']} {row['version']}{images}"
    return called, row["protocol"][:6], hashlib.sha256(str(row["data"]).encode()).hexdigest()[:6]


def _short(name: tuple[str, ...], names: Sequence[tuple[str, ...]]) -> str:
    """As much of a name as tells it from the others, in whatever order they come."""
    lengths = range(1, len(name))
    told = (n for n in lengths if sum(other[:n] == name[:n] for other in names) == 1)
    return " · ".join(name[: next(told, len(name))])


def head(column: str) -> str:
    """Title of a headline column with an arrow to its better end."""
    return f"{HEADLINE[column].title}{ARROW[higher_is_better(column)]}"


def explained(column: str, *, to_dense: bool) -> str:
    """Help text of a headline column, with the end that is better."""
    better = {True: "Higher is better.", False: "Lower is better.", None: ""}
    metric = METRICS[HEADLINE[column].metric]
    meaning = f"{metric.meaning}; {HEADLINE[column].meaning}".rstrip("; ")
    shown = f"{'Difference' if is_logarithm(column) else 'Ratio'} to dense." if to_dense else ""
    return f"{meaning}. {better[higher_is_better(column)]} {shown}".rstrip()
