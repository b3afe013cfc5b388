"""Frames for the page: DataFrame in, DataFrame out. No widgets, no torch."""

import pandas as pd

from bench.headline import HEADLINE, higher_is_better, is_logarithm
from bench.protocol import METRICS
from bench.ranking import GROUP, rank, relative

WHO = ["rank", "slug", "pruner", "sparsity", "architecture", "seed", "trust"]
KIND = ["rank", "pruner", "sparsity", "seeds", "architecture", "recipe"]


def groups(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of `bench.ranking.summary` by comparable group, the largest first, named."""
    named: dict[str, pd.DataFrame] = {}
    by_group = [rows for _, rows in table.groupby(GROUP, dropna=False, sort=True)]
    for rows in sorted(by_group, key=len, reverse=True):
        first = rows.iloc[0]
        images = "all images" if pd.isna(first["limit"]) else f"first {first['limit']:g} images"
        name = f"{first['suite']} · {images} · protocol {first['version']} {first['preset']}"
        if name in named:  # other constants or other images under the same names
            name += f" · {first['protocol'][:6]} · {len(named) + 1}"
        named[name] = rows
    return named


def ranking_table(rows: pd.DataFrame, by: str, *, to_dense: bool) -> pd.DataFrame:
    """What the page shows of a group.

    Args:
        rows: One group of `bench.ranking.summary`.
        by: Headline column that ranks.
        to_dense: Ratios to the same-seed dense run, averaged over seeds, instead of runs.

    Returns:
        Rank, who, the headline columns (with their deviations for ratios), reasons of missing
        values, flags; columns without any value are left out, but for those that the chart needs.
    """
    if to_dense:
        table = rank(relative(rows), by)
        numbers = [name for column in HEADLINE for name in (column, f"{column}_std")]
        columns = [*KIND, *numbers, "flags"]
    else:
        table = rank(rows, by)
        columns = [*WHO, *HEADLINE, "missing", "flags"]
    empty = table[columns].isna().all() | (table[columns].astype(str) == "").all()
    return table[[c for c in columns if c in ("rank", "pruner", "sparsity", by) or not empty[c]]]


def explained(column: str, *, to_dense: bool) -> str:
    """Help text of a headline column, with the end that is better."""
    better = {True: "Higher is better.", False: "Lower is better.", None: ""}
    metric = METRICS[HEADLINE[column].metric]
    meaning = f"{metric.meaning}; {HEADLINE[column].meaning}".rstrip("; ")
    shown = f"{'Difference' if is_logarithm(column) else 'Ratio'} to dense." if to_dense else ""
    return f"{meaning}. {better[higher_is_better(column)]} {shown}".rstrip()
