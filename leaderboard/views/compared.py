"""What stands against what: runs, or ways of pruning relative to dense, each with a name."""

import pandas as pd

from bench.headline import HEADLINE
from bench.pareto import FAMILY
from bench.protocol import METRICS
from bench.ranking import relative

# What tells runs of one name apart, and families
MORE = ["seed", "moment", "scope", "structure", "architecture", "recipe", "trust"]

RELATIVE = (
    "Numbers are ratios to the dense run of the same seed (of logarithms differences), and means "
    "over seeds."
)
NO_DENSE = (
    "There is no dense run of the same seed and recipe to compare with: score the dense parent "
    "too, or take back *Relative to dense*."
)


def compared(
    rows: pd.DataFrame, group: pd.DataFrame, columns: list[str], *, to_dense: bool
) -> pd.DataFrame:
    """The rows that the visitor compares.

    Args:
        rows: One group of `bench.ranking.summary`, filtered.
        group: The same before the filters, with the dense runs.
        columns: `sparsity` and columns of `HEADLINE` that are needed.
        to_dense: The families of the rows, by `bench.ranking.relative`, instead of the runs.

    Returns:
        A first column `name`, no two alike; `pruner`, never missing; the columns of either table.
    """
    if to_dense:
        numbers = [column for column in columns if column in HEADLINE]
        table = relative(group, numbers)
        table = table[_ways(table).isin(set(_ways(rows)))]
        pruned = table["declared_sparsity"].fillna(0) > 0
        shares = table["declared_sparsity"].map("{:g}".format).where(pruned, "")
        name = (table["pruner"].fillna("not declared") + " " + shares).str.strip()
    else:
        table = rows
        name = rows["slug"].fillna("")
    table = table.assign(pruner=table["pruner"].fillna("not declared"))
    table.insert(0, "name", _apart(name, table))
    return table


def _ways(table: pd.DataFrame) -> pd.Series:
    """What `bench.ranking.relative` has a row for, None where something is not declared."""
    columns = table[[*FAMILY, "declared_sparsity"]].astype(object)
    known = columns.where(columns.notna(), None)
    return pd.Series(list(known.itertuples(index=False, name=None)), table.index, dtype=object)


def _apart(name: pd.Series, table: pd.DataFrame) -> pd.Series:
    """The names, those of several rows with what tells them apart, at last with their label."""
    for column in (column for column in MORE if column in table):
        words = table[column].map(lambda word: f"{word:g}" if isinstance(word, float) else word)
        words = words.astype(object).where(table[column].notna(), "none").astype(str)
        several = name.duplicated(keep=False)
        varied = words.groupby(name).transform("nunique") > 1
        name = name.where(~(several & varied), name + f" · {column} " + words)
    labels = table.index.astype(str).str[:8].to_series(table.index)
    return name.where(~name.duplicated(keep=False), name + " · " + labels)


def titled(column: str) -> str:
    """The name of an axis, with an arrow to its better end."""
    if column == "sparsity":
        return "sparsity ↑"
    metric = METRICS[HEADLINE[column].metric]
    return f"{HEADLINE[column].title} {'↑' if metric.higher_is_better else '↓'}"


def measured(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """Those of the columns of which a row has a number."""
    return [column for column in columns if table[column].notna().any()]
