"""What stands against what: runs, or ways of pruning relative to dense, each with a name."""

from typing import Any

import pandas as pd

from bench.headline import HEADLINE
from bench.legend import head
from bench.ranking import GROUP, PRUNED, stated_sparsity
from leaderboard.views.marks import NOT_DECLARED

# What tells runs of one name apart, and families
MORE = ["seed", "kind", "moment", "scope", "structure", "architecture", "recipe", "trust"]

RELATIVE = (
    "Numbers are ratios to the dense run of the same seed (of logarithms differences), and means "
    "over seeds."
)
NO_DENSE = (
    "No pruned run here has a dense run of its seed, architecture and recipe: score the dense "
    "parent too, with `bench evaluate`, or take back “Relative to dense”."
)


def compared(rows: pd.DataFrame, ratios: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rows that the visitor compares.

    Args:
        rows: One group of `bench.ranking.summary`, filtered.
        ratios: `bench.ranking.relative` of the rows and the dense runs of their group: its
            families that the rows have are compared, instead of the rows.

    Returns:
        A first column `name`, no two alike; `pruner`, never missing; the columns of either table.
    """
    if ratios is not None:
        table = families_of(rows, ratios)
        names = map(_named, table["pruner"], table["declared_sparsity"])
        name = pd.Series(list(names), table.index, dtype=object)
    else:
        table = rows
        name = rows["slug"].astype(object)
    table = table.assign(pruner=table["pruner"].fillna(NOT_DECLARED))
    table.insert(0, "name", _apart(name, table))
    return table


def families_of(rows: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """Those means over seeds, or ratios, whose families the rows have."""
    return means[_ways(means).isin(set(_ways(rows)))]


def runs_of(rows: pd.DataFrame, ratios: pd.DataFrame) -> pd.DataFrame:
    """The rows of the families that the ratios have; arguments as for `compared`."""
    return rows[_ways(rows).isin(set(_ways(ratios)))]


def _named(pruner: Any, sparsity: Any) -> str:
    name = NOT_DECLARED if pd.isna(pruner) else str(pruner)
    return f"{name} {sparsity:g}" if pd.notna(sparsity) and sparsity > 0 else name


def _ways(table: pd.DataFrame) -> pd.Series:
    """What `bench.ranking.relative` has a row for, None where something is not declared."""
    columns = table[[*GROUP, *PRUNED]].assign(sparsity=stated_sparsity(table)).astype(object)
    known = columns.where(columns.notna(), None)
    return pd.Series(list(known.itertuples(index=False, name=None)), table.index, dtype=object)


def _apart(name: pd.Series, table: pd.DataFrame) -> pd.Series:
    """The names, those of several rows with what tells them apart, at last with their label."""
    name = name.copy()
    for column in (column for column in MORE if column in table):
        alike = name[name.duplicated(keep=False)]
        if alike.empty:
            return name
        words = table.loc[alike.index, column].map(_word).astype(str)
        varied = words.groupby(alike).transform("nunique") > 1
        name.update((alike + f" · {column} " + words)[varied])
    alike = name[name.duplicated(keep=False)]
    name.update(alike + " · " + alike.index.astype(str).str[:8])
    return name


def _word(value: Any) -> str:
    if pd.isna(value):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def titled(column: str) -> str:
    """The name of an axis, with an arrow to its better end."""
    return "sparsity ↑" if column == "sparsity" else head(column)


def named(column: str) -> str:
    """The name of an axis; other words as they are."""
    return HEADLINE[column].title if column in HEADLINE else column


def measured(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """Those of the columns of which a row has a number."""
    return [column for column in columns if table[column].notna().any()]
