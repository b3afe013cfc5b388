"""Who is beaten by nobody on two or three counts at once."""

import pandas as pd
import streamlit as st

from bench.pareto import AXES
from leaderboard.grid import grid
from leaderboard.ratios import ratios
from leaderboard.view import View
from leaderboard.views.compared import NO_DENSE, RELATIVE, compared, measured, named, titled
from leaderboard.views.pareto import (
    DRAWN,
    NEITHER,
    area_table,
    described,
    drawn,
    front_chart,
    standing,
)

NONE = "none"
HORIZONTAL, VERTICAL = "sparsity", "fgsm_linf_worst"


def show(view: View) -> None:
    """Draws the page."""
    offered = measured(view.group, AXES)
    if len(offered) < 2:
        st.info("A front needs two numbers, and the runs here have fewer; evaluate more tasks.")
        return
    axes = _chosen(offered)
    if len(set(axes)) < len(axes):
        st.info("Choose axes that differ.")
        return
    table = compared(view.rows, ratios(view))
    if table.empty:
        st.info(NO_DENSE)
        return
    if view.to_dense:
        st.caption(RELATIVE)
    _front(table, axes)
    _area(table, axes[1])


def _chosen(offered: list[str]) -> list[str]:
    """Two or three axes."""
    columns = st.columns(3)
    across = HORIZONTAL if HORIZONTAL in offered else offered[0]
    up = VERTICAL if VERTICAL in offered else next(axis for axis in offered if axis != across)
    picked = [
        columns[0].selectbox(
            "Horizontal", offered, offered.index(across), named, key="px", bind="query-params"
        ),
        columns[1].selectbox(
            "Vertical", offered, offered.index(up), named, key="py", bind="query-params"
        ),
        columns[2].selectbox("Colour", [NONE, *offered], 0, named, key="pz", bind="query-params"),
    ]
    return [str(axis) for axis in picked if axis != NONE]


def _front(table: pd.DataFrame, axes: list[str]) -> None:
    """The chart of the front, and the table under it."""
    found = standing(table, axes)
    if (found["standing"] == NEITHER).all():
        st.info("No run here has all of these numbers; choose other axes, or fewer filters.")
        return
    shown = drawn(found)
    st.caption(
        "On the front is who is beaten by nobody: no other is as good on every axis and better on "
        "one. " + ("Its points have a ring." if len(axes) > 2 else "It is the line in steps.") + " "
        "Flagged runs are hollow. Point at a run to see who dominates it."
    )
    st.altair_chart(front_chart(shown, axes), width="stretch", alt=described(found, axes))
    whole = (found["standing"] != NEITHER).sum()
    if len(shown) < whole:
        st.caption(f"Drawn are {len(shown)} of {whole}: the whole front, and the others thinned.")
    titles = {axis: st.column_config.NumberColumn(titled(axis), format="%.4g") for axis in axes}
    grid(
        found,
        column_config=titles,
        lazy=len(found) > DRAWN,
        alt="The runs of the chart: who is on the front, and who dominates the others.",
    )


def _area(table: pd.DataFrame, column: str) -> None:
    st.subheader("Area under the curve")
    if column == "sparsity":
        st.info("Choose a vertical axis other than the sparsity.")
        return
    found, low, high = area_table(table, column)
    if found["area"].notna().any():
        st.caption(
            f"Mean height of {titled(column)} from sparsity {low:.3g} to {high:.3g}, where all "
            "curves are, each sparsity the mean over its seeds."
        )
    else:
        st.info(
            "No pruner has an area: that takes runs at two sparsities or more, in a range that all "
            "pruners share. Filter for pruners that share one."
        )
    grid(
        found,
        column_config={"area": st.column_config.NumberColumn(format="%.4g")},
        alt=f"Mean height of {titled(column)} over sparsity, by pruner.",
    )
