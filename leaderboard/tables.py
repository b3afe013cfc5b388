"""Frames for the page: DataFrame in, DataFrame out. No widgets, no torch."""

import pandas as pd

from bench.ranking import HEADLINE, rank, relative

WHO = ["rank", "slug", "pruner", "sparsity", "architecture", "seed", "trust"]
KIND = ["rank", "pruner", "sparsity", "seeds", "architecture", "recipe"]


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
