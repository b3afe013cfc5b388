"""The ranking as a table: which runs may stand together, and what is shown of them."""

from collections.abc import Sequence

import pandas as pd

from bench.headline import HEADLINE, reasons_of

RUN = ("slug", "pruner", "sparsity")
FAMILY = ("pruner", "sparsity", "seeds")
ABOUT_RUN = ("architecture", "moment", "scope", "structure", "kind", "recipe", "seed", "trust")
ABOUT_FAMILY = ("architecture", "moment", "scope", "structure", "kind", "recipe", "trust")


def board(
    rows: pd.DataFrame,
    ranks: pd.Series,
    columns: Sequence[str],
    tested: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The ranking of a group, or a part of it.

    Args:
        rows: All of it: runs, `bench.ranking.summary` of one group, or means over seeds,
            `bench.ranking.over_seeds` or `relative` of them.
        ranks: `bench.ranking.ranks` of the rows to show.
        columns: Headline columns, first that which ranks.
        tested: `bench.standings.standings` of the first runs.

    Returns:
        The rows in the order of their ranks: rank, `tie` and `between` if any were tested, who,
        the headline columns (with `NAME_std` for means over seeds), what else is known,
        `missing` (why numbers of a run are), flags. `tie` is the first rank of those that chance
        does not tell apart; `between`, e.g. `2–5`, the ranks that are possible, `2–5+` if others
        that were not tested may be better too. Columns that are empty in every row of the ranking
        are left out, but for those that rank and say who.
    """
    if "slug" in rows:
        who, told = RUN, [*columns, *ABOUT_RUN, "missing", "flags"]
        rows = rows.assign(missing=_named(rows["missing"], columns))
    else:
        who, told = FAMILY, [*_with_deviations(columns), *ABOUT_FAMILY, "flags"]
    table = rows[[*who, *told]].loc[ranks.index]
    empty = [name for name in told[1:] if _is_empty(table[name]) and _is_empty(rows[name])]
    table = table.drop(columns=empty)
    table.insert(0, "rank", ranks)
    if tested is not None:
        more = rows[columns[0]].count() > len(tested)
        table.insert(1, "tie", tested["tie"].reindex(table.index))
        table.insert(
            2, "between", _intervals(tested, more=more).reindex(table.index, fill_value="")
        )
    return table


def _with_deviations(columns: Sequence[str]) -> list[str]:
    return [name for column in columns for name in (column, f"{column}_std")]


def _is_empty(values: pd.Series) -> bool:
    return bool(values.isna().all() or (values == "").all())


def _intervals(tested: pd.DataFrame, *, more: bool) -> pd.Series:
    """The ranks that are possible; those down to the last are open where more were not tested."""
    last = len(tested) if more else None
    texts = [
        "" if pd.isna(low) else _between(low, high) + ("+" if high == last else "")
        for low, high in zip(tested["low"], tested["high"], strict=True)
    ]
    return pd.Series(texts, tested.index, dtype="str")


def _between(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low}–{high}"


def _named(missing: pd.Series, columns: Sequence[str]) -> pd.Series:
    """Titles and reasons of the columns that are shown, e.g. `NLL: not run`."""
    codes, texts = missing.factorize()  # few differ
    found = pd.array([_reasons(text, columns) for text in texts], dtype="str")
    return pd.Series(found[codes], missing.index)


def _reasons(missing: str, columns: Sequence[str]) -> str:
    pairs = reasons_of(missing).items()
    shown = [(HEADLINE[name].title, reason) for name, reason in pairs if name in columns]
    return "; ".join(f"{title}: {reason.replace('_', ' ')}" for title, reason in shown)
