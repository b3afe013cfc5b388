"""How runs bear each corruption: DataFrame in, DataFrame out (the paper's Table 6)."""

import pandas as pd

from bench.protocol import CORRUPTIONS
from bench.ranking import PRUNED, over_seeds, to_dense

BLOCKS = {
    name: block
    for block, names in {
        "noise": CORRUPTIONS[:3],
        "blur": CORRUPTIONS[3:7],
        "weather": CORRUPTIONS[7:11],
        "digital": CORRUPTIONS[11:15],
        "extra": CORRUPTIONS[15:],
    }.items()
    for name in names
}
NO_RATIO = "no number of the dense run of its seed"


def of_runs(table: pd.DataFrame, numbers: pd.DataFrame, why: pd.DataFrame) -> pd.DataFrame:
    """A cell for each run and corruption.

    Args:
        table: What `leaderboard.views.lines.with_lines` returns.
        numbers: Of `leaderboard.views.series.wide`: a row a run, a column a corruption.
        why: Of `leaderboard.views.series.reasons`.

    Returns:
        `row` (line, sparsity, and what else tells runs apart), `column` (the corruption), `block`,
        `value`, `reason` ("" where there is a value), `flags`. The best row on average comes
        first.
    """
    runs = table[table.index.isin(numbers.index)]
    names = run_names(runs)
    values = numbers.loc[runs.index].set_axis(names)
    reasons = why.reindex(index=runs.index, columns=numbers.columns).set_axis(names)
    return _cells(values, reasons, runs["flags"].set_axis(names))


def of_ratios(table: pd.DataFrame, numbers: pd.DataFrame, why: pd.DataFrame) -> pd.DataFrame:
    """The same of ratios to the same-seed dense run: means over seeds, of pruned runs alone."""
    columns = [str(name) for name in numbers]
    runs = to_dense(table.join(numbers, how="inner").reset_index(), columns)
    runs = runs[runs["pruner"] != "dense"]
    keys = [*PRUNED, "declared_sparsity"]
    means = over_seeds(runs, columns)
    named = runs[[*PRUNED, "line"]].drop_duplicates(PRUNED)
    rows = pd.Series(_named(means.merge(named, on=PRUNED, how="left")), dtype=object)
    twins = rows.groupby(rows).cumcount()
    means["row"] = rows.where(twins == 0, rows + " · " + (twins + 1).astype(str))
    found = runs[[*keys, "run_id"]].merge(means[[*keys, "row"]], on=keys, how="left")
    because = why.reindex(index=found["run_id"], columns=columns).groupby(found["row"].to_numpy())
    values = means.set_index("row")[columns]
    return _cells(
        values,
        because.first().reindex(values.index).astype(object).fillna(NO_RATIO),
        means.set_index("row")["flags"],
    )


def run_names(runs: pd.DataFrame) -> list[str]:
    """Line and sparsity of each run, with its seed where there are several; all different."""
    names = pd.Series(_named(runs), index=runs.index, dtype=object)
    if runs["seed"].nunique() > 1:
        names = names + [f" · {seed:.0f}" if pd.notna(seed) else "" for seed in runs["seed"]]
    twins = names.duplicated(keep=False)
    return list(names.where(~twins, names + " · " + names.index))


def _named(runs: pd.DataFrame) -> list[str]:
    return [
        f"{line} {100 * share:.3g} %" if share > 0 else str(line)
        for line, share in zip(runs["line"], runs["declared_sparsity"], strict=True)
    ]


def _cells(values: pd.DataFrame, reasons: pd.DataFrame, flags: pd.Series) -> pd.DataFrame:
    known = [name for name in BLOCKS if name in values]
    columns = [*known, *(name for name in values if name not in BLOCKS)]
    best_first = values.mean(axis=1).sort_values(ascending=False, kind="stable").index
    long = values.loc[best_first, columns].rename_axis("row").reset_index()
    cells = long.melt("row", var_name="column", value_name="value")
    why = (
        reasons[columns]
        .astype(object)
        .rename_axis("row")
        .reset_index()
        .melt("row", var_name="column", value_name="reason")
    )
    cells = cells.merge(why, on=["row", "column"], how="left")
    return cells.assign(
        block=cells["column"].map(BLOCKS).fillna("extra"),
        flags=cells["row"].map(flags),
        reason=cells["reason"].fillna("").where(cells["value"].isna(), ""),
    )
