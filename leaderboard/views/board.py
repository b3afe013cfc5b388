"""The ranking as a table: which runs may stand together, and what is shown of them."""

from collections.abc import Sequence

import pandas as pd

from bench.headline import HEADLINE, reasons_of
from bench.ranking import GROUP, rank
from leaderboard.views.compared import families_of

RUN = ("rank", "slug", "pruner", "sparsity")
FAMILY = ("rank", "pruner", "sparsity", "seeds")
ABOUT_RUN = ("architecture", "moment", "scope", "structure", "kind", "recipe", "seed", "trust")
ABOUT_FAMILY = ("architecture", "moment", "scope", "structure", "kind", "recipe", "trust")


def board(
    rows: pd.DataFrame, by: str, columns: Sequence[str], families: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The ranking of a group.

    Args:
        rows: Of one group of `bench.ranking.summary`, filtered.
        by: Headline column that ranks.
        columns: Headline columns to show beside it.
        families: Means over seeds, `bench.ranking.over_seeds` or `relative` of the group: those
            that the rows have are ranked, instead of the rows.

    Returns:
        From best to worst, indexed as `rows` where they are runs: rank, who, the headline
        columns (with `NAME_std` for means over seeds), what else is known of the run,
        `missing` (why numbers are), flags. Columns that are empty in every row are left out, but
        for `by` and those that say who.
    """
    names = list(dict.fromkeys([by, *columns]))
    if families is not None:
        table = rank(families_of(rows, families), by)
        numbers = [name for column in names for name in (column, f"{column}_std")]
        table = table[[*FAMILY, *numbers, *ABOUT_FAMILY, "flags"]]
        kept = {*FAMILY, by}
    else:
        told = [*RUN[1:], *names, *ABOUT_RUN, "missing", "flags"]
        table = rank(rows[[*GROUP, *told]], by)[["rank", *told]]
        codes, reasons = table["missing"].factorize()  # few differ
        why = pd.array([_named(reason, names) for reason in reasons], dtype="str")
        table = table.assign(missing=why[codes])
        kept = {*RUN, by}
    empty = table.isna().all() | (table == "").all()
    return table.loc[:, ~empty | table.columns.isin(kept)]


def with_intervals(table: pd.DataFrame, by: str, found: pd.DataFrame) -> pd.DataFrame:
    """A ranking of runs with `tie` and `between` beside the rank.

    Args:
        table: What `board` returns of runs.
        by: What ranks it.
        found: `bench.standings.standings` of its first rows.

    Returns:
        The same with `tie`, the first rank of those that chance does not tell apart, and
        `between`, e.g. `2–5`, the ranks that are possible, `2–5+` if others that were not tested
        may be better too; empty where nothing was tested.
    """
    last = len(found) if table[by].notna().sum() > len(found) else None
    ranks = [
        "" if pd.isna(low) else _between(low, high) + ("+" if high == last else "")
        for low, high in zip(found["low"], found["high"], strict=True)
    ]
    between = pd.Series(ranks, found.index, dtype="str")
    result = table.copy(deep=False)
    result.insert(1, "tie", found["tie"].reindex(table.index))
    result.insert(2, "between", between.reindex(table.index, fill_value=""))
    return result


def _between(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low}–{high}"


def _named(missing: str, columns: Sequence[str]) -> str:
    """Titles and reasons of the columns that are shown, e.g. `NLL: not run`."""
    pairs = reasons_of(missing).items()
    shown = [(HEADLINE[name].title, reason) for name, reason in pairs if name in columns]
    return "; ".join(f"{title}: {reason.replace('_', ' ')}" for title, reason in shown)
