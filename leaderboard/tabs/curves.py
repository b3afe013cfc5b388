"""A number against sparsity: the paper's Figures 1-3 and 5-7."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from bench.headline import HEADLINE, higher_is_better, is_logarithm
from bench.protocol import METRICS
from leaderboard.conditions import chosen_detector, chosen_severity, of_recipe, protocol_of
from leaderboard.grid import grid
from leaderboard.view import View
from leaderboard.views.compared import NO_DENSE
from leaderboard.views.curves import HEIGHT, key_chart, sparsity_chart
from leaderboard.views.lines import drawable, points, references, with_lines
from leaderboard.views.marks import DENSE, encoding
from leaderboard.views.series import SERIES, Series

COLUMNS: Mapping[str, str] = {column.title: name for name, column in HEADLINE.items()}
LINES, ROWS, CHARTS = 24, 4000, 20
NOTHING = "No pruned run here has this number: add one with `bench prune` and `bench evaluate`."
BETTER = {True: "Higher is better", False: "Lower is better", None: "Neither end is better"}


def show(view: View) -> None:
    """Draws the page."""
    measured = [title for title, name in COLUMNS.items() if view.group[name].notna().any()]
    tasks = protocol_of(view).tasks
    series = [name for name, told in SERIES.items() if told.task in tasks]
    with st.container(horizontal=True):
        what = str(st.selectbox("Number", [*measured, *series], key="curve", bind="query-params"))
        view = of_recipe(view)
    named = with_lines(view.group)
    table = named[named.index.isin(view.rows.index) | (named["pruner"] == DENSE)]
    if what in SERIES:
        numbers = _numbers(view, SERIES[what])
        table, columns = table.join(numbers), [str(name) for name in numbers]
    else:
        columns = [COLUMNS[what]]
    st.caption(_explained(what, to_dense=view.to_dense))
    if not columns:
        st.info("No run here has such a number. Choose another one, or another detector or size.")
        return
    found = points(table, columns, relative=view.to_dense)
    drawn = drawable(found, LINES, ROWS)
    if drawn.empty:
        st.info(NO_DENSE if view.to_dense else NOTHING)
        return
    total = found.loc[found["pruner"] != DENSE, "line"].nunique()
    if drawn["line"].nunique() < total:
        st.caption(
            f"Drawn are the {drawn['line'].nunique()} of {total} lines that have most points; "
            "the filters on the left choose others."
        )
    _draw(named, drawn, references(found), columns, to_dense=view.to_dense)


def _numbers(view: View, series: Series) -> pd.DataFrame:
    """A column for each chart of a series: those that the visitor picks, of the whole group."""
    conditions: dict[str, Any] = {"task": series.task, "metric": series.metric}
    with st.container(horizontal=True):
        if series.detected:
            conditions |= chosen_detector(view, series.task)
        if series.task == "shift":
            conditions |= chosen_severity(view)
        numbers = view.wide(series.by, **conditions)[0].dropna(axis="columns", how="all")
        picked = st.multiselect(
            "Only", list(numbers), key="facet", bind="query-params", placeholder="all", width=320
        )
    return numbers[picked or list(numbers)[:CHARTS]]


def _explained(what: str, *, to_dense: bool) -> str:
    if what in SERIES:
        better, logarithm = METRICS[SERIES[what].metric].higher_is_better, False
    else:
        better, logarithm = higher_is_better(COLUMNS[what]), is_logarithm(COLUMNS[what])
    kind = "difference" if logarithm else "ratio"
    shown = f"; shown is the {kind} to the dense run of the same seed" if to_dense else ""
    anomaly = " The anomaly is the positive class." if "AUROC" in what else ""
    return (
        f"{BETTER[better]}{shown}.{anomaly} A point is the mean over seeds, the band one standard "
        "deviation to each side, the dashed grey line dense; hollow points have flags."
    )


def _draw(
    named: pd.DataFrame,
    drawn: pd.DataFrame,
    dense: pd.DataFrame,
    columns: list[str],
    *,
    to_dense: bool,
) -> None:
    """The key, the charts, and the table of their numbers."""
    marks = encoding(named["line"]).only(drawn["line"])
    dense = dense[dense["architecture"].isin(drawn["architecture"])]
    st.altair_chart(key_chart(marks), width="stretch", alt="Colour and shape of each line.")
    wide_as = min(3, len(columns))
    for first in range(0, len(columns), wide_as):
        for place, column in zip(
            st.columns(wide_as), columns[first : first + wide_as], strict=False
        ):
            title = HEADLINE[column].title if column in HEADLINE else column
            chart = sparsity_chart(
                drawn[drawn["what"] == column],
                dense[dense["what"] == column],
                marks,
                f"{title}, relative to dense" if to_dense else title,
                HEIGHT if wide_as == 1 else 240,
            )
            with place:
                st.altair_chart(
                    chart,
                    width="stretch",
                    alt=f"A number against sparsity, {len(marks.names)} lines. The table below has "
                    "the same numbers.",
                )
    with st.expander("The same as a table"):
        grid(
            pd.concat([dense, drawn]).drop(columns=["low", "high"]),
            alt="The points of the charts",
        )
