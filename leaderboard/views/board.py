"""The ranking as a table: which runs may stand together, and what is shown of them."""

from collections.abc import Sequence

import pandas as pd

from bench.headline import HEADLINE, higher_is_better, is_logarithm
from bench.protocol import METRICS
from bench.ranking import GROUP, rank, relative

RUN = ("rank", "slug", "pruner", "sparsity")
FAMILY = ("rank", "pruner", "sparsity", "seeds")
ABOUT_RUN = ("architecture", "moment", "scope", "structure", "kind", "recipe", "seed", "trust")
ABOUT_FAMILY = ("architecture", "moment", "scope", "structure", "recipe", "trust")
ARROW = {True: " ↑", False: " ↓", None: ""}


def groups(table: pd.DataFrame, own: "pd.Index[str]") -> dict[str, pd.DataFrame]:
    """The rows of `bench.ranking.summary` by comparable group, named.

    Args:
        table: The summary.
        own: Ids of the visitor's runs; groups with most of them come first, then the largest.
    """
    named: dict[str, pd.DataFrame] = {}
    by_group = [rows for _, rows in table.groupby(GROUP, dropna=False, sort=True)]
    weights = [(int((own.get_indexer(rows.index) >= 0).sum()), len(rows)) for rows in by_group]
    order = sorted(range(len(by_group)), key=lambda place: weights[place], reverse=True)
    for rows in (by_group[place] for place in order):
        first = rows.iloc[0]
        images = "" if pd.isna(first["limit"]) else f" · first {first['limit']:g}"
        name = f"{first['suite']} · {first['preset']} {first['version']}{images}"
        if name in named:  # other constants or other images under the same names
            name += f" · {first['protocol'][:6]} · {len(named) + 1}"
        named[name] = rows
    return named


def board(rows: pd.DataFrame, by: str, columns: Sequence[str], *, to_dense: bool) -> pd.DataFrame:
    """The ranking of a group.

    Args:
        rows: Of one group of `bench.ranking.summary`.
        by: Headline column that ranks.
        columns: Headline columns to show beside it.
        to_dense: Ratios to the same-seed dense run, averaged over seeds, instead of runs.

    Returns:
        From best to worst, indexed as `rows` where they are runs: rank, who, the headline
        columns (with `NAME_std` for ratios of several seeds), what else is known of the run,
        `missing` (why numbers are), flags. Columns that are empty in every row are left out, but
        for `by` and those that say who.
    """
    names = list(dict.fromkeys([by, *columns]))
    if to_dense:
        table = rank(relative(rows), by)
        numbers = [name for column in names for name in (column, f"{column}_std")]
        table = table[[*FAMILY, *numbers, *ABOUT_FAMILY, "flags"]]
        kept = {*FAMILY, by}
    else:
        ranked = rank(rows, by)
        table = ranked[[*RUN, *names, *ABOUT_RUN, "missing", "flags"]]
        told = {missing: _named(missing, names) for missing in table["missing"].unique()}
        table = table.assign(missing=table["missing"].map(told))
        kept = {*RUN, by}
    empty = table.isna().all() | (table == "").all()
    return table.loc[:, ~empty | table.columns.isin(kept)]


def _named(missing: str, columns: Sequence[str]) -> str:
    """Titles and reasons of the columns that are shown, e.g. `NLL: not run`."""
    pairs = [part.split(": ") for part in missing.split("; ") if part]
    shown = [(HEADLINE[name].title, reason) for name, reason in pairs if name in columns]
    return "; ".join(f"{title}: {reason.replace('_', ' ')}" for title, reason in shown)


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
