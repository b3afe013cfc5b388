"""Which runs belong to one line, its short name, and its points: means over seeds."""

from collections.abc import Hashable, Iterator

import pandas as pd

from bench.ranking import PRUNED, over_seeds, stated_sparsity, to_dense
from leaderboard.views.marks import DENSE, NOT_DECLARED, SEPARATOR

NAMED_IF_DIFFERENT = ("architecture", "recipe")
NAMED_IF_UNUSUAL = ("kind", "moment", "scope", "structure")
POINT = ["line", *PRUNED, "sparsity", "seeds", "flags"]


def with_lines(group: pd.DataFrame) -> pd.DataFrame:
    """The runs of a group with the name of each one's line.

    A name says the pruner, and what tells its lines apart: architecture and recipe where the
    group has several; kind, moment, scope and structure where they are not the pruner's most
    frequent.

    Args:
        group: Rows of one group of `bench.ranking.summary`.

    Returns:
        The same with `line`, `pruner` filled in, and `declared_sparsity` as measured, to a
        thousandth, where none is declared.
    """
    table = group.assign(
        pruner=group["pruner"].fillna(NOT_DECLARED),
        declared_sparsity=stated_sparsity(group),
    )
    sizes = table.groupby(PRUNED, dropna=False).size().reset_index(name="runs")
    sizes = sizes.sort_values("runs", ascending=False, kind="stable")
    names = pd.Series(list(_names(sizes)), index=sizes.index, dtype=object)
    lines = table[PRUNED].merge(sizes.assign(line=names), on=PRUNED, how="left")
    return table.assign(line=lines["line"].to_numpy())


def _names(sizes: pd.DataFrame) -> Iterator[str]:
    """Names of lines, the most frequent first; no two are the same."""
    several = [name for name in NAMED_IF_DIFFERENT if sizes[name].nunique(dropna=False) > 1]
    usual: dict[str, dict[Hashable, object]] = {}
    given: dict[str, int] = {}
    for row in sizes.to_dict("records"):
        most = usual.setdefault(row["pruner"], row)
        unusual = [
            name for name in NAMED_IF_UNUSUAL if _word(row[name], name) != _word(most[name], name)
        ]
        words = [row["pruner"], *(_word(row[name], name) for name in [*several, *unusual])]
        name = SEPARATOR.join(words)
        given[name] = given.get(name, 0) + 1
        yield name if given[name] == 1 else f"{name}{SEPARATOR}{given[name]}"


def _word(value: object, name: str) -> str:
    return str(value) if isinstance(value, str) else f"{name} {NOT_DECLARED}"


def points(table: pd.DataFrame, columns: list[str], *, relative: bool) -> pd.DataFrame:
    """Means over seeds at each sparsity of each line.

    Args:
        table: What `with_lines` returns, and any further numeric columns.
        columns: Of numbers.
        relative: Ratios to the same-seed dense run instead of the numbers.

    Returns:
        A row for each line, declared sparsity and column that has a number: `POINT`, `what` (the
        column), `value`, `std` (NaN for one run), `low` and `high` (one deviation to each side).
    """
    runs = to_dense(table, columns) if relative else table
    lines = runs[[*PRUNED, "line"]].drop_duplicates(PRUNED)
    means = over_seeds(runs, columns).merge(lines, on=PRUNED, how="left")
    parts = [
        means[POINT].assign(what=column, value=means[column], std=means[f"{column}_std"])
        for column in columns
    ]
    found = pd.concat(parts, ignore_index=True).dropna(subset=["value", "sparsity"])
    return found.assign(low=found["value"] - found["std"], high=found["value"] + found["std"])


def references(found: pd.DataFrame) -> pd.DataFrame:
    """What lines are compared with: the dense points of `points`."""
    return found[found["pruner"] == DENSE]


def drawable(found: pd.DataFrame, lines: int, rows: int) -> pd.DataFrame:
    """The pruned points of as many lines as may be drawn, those of most points first.

    Args:
        found: What `points` returns.
        lines: At most.
        rows: At most, over all columns.
    """
    pruned = found[found["pruner"] != DENSE]
    sizes = pruned["line"].value_counts(sort=False).sort_index()
    sizes = sizes.sort_values(ascending=False, kind="stable").head(lines)
    fitting = max(1, int((sizes.cumsum() <= rows).sum()))
    return pruned[pruned["line"].isin(sizes.index[:fitting])].head(rows)
