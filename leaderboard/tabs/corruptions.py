"""Each pruner under each corruption: the paper's Table 6."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from bench.protocol import METRICS
from leaderboard.conditions import chosen_detector, chosen_severity, of_recipe, protocol_of
from leaderboard.grid import grid
from leaderboard.ratios import ratios
from leaderboard.view import View
from leaderboard.views.compared import NO_DENSE, families_of, runs_of
from leaderboard.views.corruptions import of_ratios, of_runs
from leaderboard.views.heat import heat_map, room, shaded
from leaderboard.views.lines import with_lines
from leaderboard.views.marks import DENSE
from leaderboard.views.series import CORRUPTION

MEASURES = {"accuracy": "accuracy", "AUROC": "auroc"}
ROWS = 40  # of a heat map


def show(view: View) -> None:
    """Draws the page."""
    if "shift" not in protocol_of(view).tasks:
        st.info("Runs of this protocol are not scored under corruptions.")
        return
    with st.container(horizontal=True):
        conditions, metric = _conditions(view)
        view = of_recipe(view)
    view, found = _best(view, "shift" if metric == "accuracy" else "shift_auroc")
    if view.rows.empty:
        st.info(NO_DENSE)
        return
    named = with_lines(view.group)
    dense = (named["pruner"] == DENSE) & view.to_dense
    table = named[named.index.isin(view.rows.index) | dense]
    numbers, why = view.wide(CORRUPTION, **conditions)
    st.caption(_explained(metric, to_dense=view.to_dense))
    if not table.index.isin(numbers.index).any():
        st.info(
            "No run here has such numbers: choose another detector or severity, or score a model "
            "on the suite's shifts with `bench evaluate`."
        )
        return
    cells = (of_ratios if view.to_dense else of_runs)(table, numbers, why)
    if cells.empty:
        st.info(NO_DENSE)
        return
    if found > ROWS:
        st.caption(
            f"Shown are the best {ROWS} by the mean over all corruptions and severities; the "
            "filters on the left choose others."
        )
    _draw(cells, diverging=view.to_dense)


def _best(view: View, column: str) -> tuple[View, int]:
    """The view of as many runs, or ways of pruning, as a heat map has room for; how many are."""
    relative = ratios(view)
    if relative is None:
        return replace(view, rows=_highest(view.rows, column)), len(view.rows)
    families = families_of(view.rows, relative)
    best = _highest(families, column)
    return replace(view, rows=runs_of(view.rows, best)), len(families)


def _highest(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table.sort_values(column, ascending=False, kind="stable").head(ROWS)


def _conditions(view: View) -> tuple[dict[str, Any], str]:
    """What the visitor asks for, as conditions of scores, and its metric."""
    measure = st.segmented_control(
        "Value",
        list(MEASURES),
        default="accuracy",
        key="measure",
        required=True,
        bind="query-params",
    )
    metric = MEASURES[str(measure)]
    conditions = {"task": "shift", "metric": metric, **chosen_severity(view)}
    if metric == "auroc":
        conditions |= chosen_detector(view, "shift")
    return conditions, metric


def _explained(metric: str, *, to_dense: bool) -> str:
    meaning = METRICS[metric].meaning
    meaning = f"{meaning[0].upper()}{meaning[1:]}. Higher is better"
    missing = "– has a reason in its tooltip."
    if to_dense:
        return (
            f"Ratio to the dense run of the same seed, mean over seeds. {meaning}: above 1 (blue) "
            f"is better than dense, below (orange) worse; {missing}"
        )
    return f"{meaning} (bluer); the best row on average is first; {missing}"


def _draw(cells: pd.DataFrame, *, diverging: bool) -> None:
    centre = 1.0 if diverging else None
    chart = heat_map(
        shaded(cells, higher_is_better=True, centre=centre),
        diverging=diverging,
        told=["row", "column", "block", "value", "reason", "flags"],
    )
    with st.container(height=room(cells), border=False):  # scrolls sideways where it must
        st.altair_chart(
            chart,
            width="content",
            alt="Rows of runs by columns of corruptions. The table below has the same numbers.",
        )
    with st.expander("The same as a table"):
        table = cells.pivot(index="row", columns="column", values="value")
        order = [list(dict.fromkeys(cells[name])) for name in ("row", "column")]
        grid(table.loc[order[0], order[1]].reset_index(), alt="The heat map as a table")
