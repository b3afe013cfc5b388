"""Which is best for you: the ranking by what counts for the visitor."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from bench.weighing import SAMPLE, scaled, shares
from leaderboard.grid import grid
from leaderboard.ratios import ratios
from leaderboard.view import View
from leaderboard.views.compared import NO_DENSE, RELATIVE, compared, titled
from leaderboard.views.weights import (
    BARS,
    ERROR,
    FIRST,
    SHOWN,
    first_of,
    parts_chart,
    weighed_table,
)

# key in the address -> weight at first, and columns, of which that most runs have is weighed
WEIGHED: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "w_accuracy": (5, ("accuracy",)),
    "w_fgsm": (5, ("fgsm_linf_worst",)),
    "w_shift": (5, ("shift",)),
    "w_outliers": (5, ("ood_sensnorm", "ood_msp")),
    "w_domain": (0, ("out_of_domain_sensnorm", "out_of_domain_msp")),
    "w_brier": (0, ("brier",)),
    "w_lipschitz": (0, ("lip_upper_log10",)),
    "w_size": (0, ("size_bytes",)),
    "w_macs": (0, ("macs_sparse",)),
    "w_latency": (0, ("latency_ratio",)),
    "w_sparsity": (5, ("sparsity",)),
}


def show(view: View) -> None:
    """Draws the page."""
    st.subheader("Which is best for you?")
    st.caption(
        "Say how much each number counts, 0 for not at all. Each goes from 0 for the worst of the "
        "runs here to 1 for the best; who has the highest weighted mean is first."
    )
    weights = _weights(offered(view.group))
    axes = [axis for axis, weight in weights.items() if weight > 0]
    if not axes:
        st.info("Nothing counts yet: give one of the numbers a weight above 0.")
        return
    table = compared(view.rows, ratios(view))
    if table.empty:
        st.info(NO_DENSE)
        return
    if view.to_dense:
        st.caption(RELATIVE)
    places = scaled(table, axes)
    if places.empty:
        st.info("No run here has all of these numbers; set those that are missing to 0.")
        return
    _remarks(table, places)
    _ranking(table, weights)


def offered(group: pd.DataFrame) -> dict[str, str]:
    """Key -> column, of which the group has numbers."""
    found = {}
    for key, (_, columns) in WEIGHED.items():
        best = max(columns, key=lambda column: group[column].notna().sum())
        if group[best].notna().any():
            found[key] = best
    return found


def _weights(columns: Mapping[str, str]) -> dict[str, int]:
    """Column -> weight, by a slider each."""
    with st.container(horizontal=True):
        return {
            column: st.slider(
                titled(column), 0, 10, WEIGHED[key][0], key=key, bind="query-params", width=170
            )
            for key, column in columns.items()
        }


def _remarks(table: pd.DataFrame, places: pd.DataFrame) -> None:
    if len(places) < len(table):
        left_out = len(table) - len(places)
        st.caption(f"{left_out} of {len(table)} lack one of these numbers and are left out.")
    same = [titled(str(axis)) for axis in places if not places[axis].any()]
    if same:
        st.caption(f"The same for all, so it decides nothing: {', '.join(same)}.")


@st.cache_data(max_entries=64, show_spinner=False)
def _firsts(numbers: pd.DataFrame) -> pd.DataFrame:
    """`shares` of all columns: a weight that moves, but not from or to 0, changes none."""
    return shares(numbers, [str(axis) for axis in numbers])


def _ranking(table: pd.DataFrame, weights: Mapping[str, int]) -> None:
    axes = [axis for axis, weight in weights.items() if weight > 0]
    firsts = _firsts(table[axes])
    st.text(first_of(table, firsts, axes))
    st.altair_chart(
        parts_chart(table, weights, list(weights)),
        width="stretch",
        alt="A bar for each of the best: what each number adds to its weighted mean.",
    )
    if len(firsts) > SHOWN:
        st.caption(f"Shown are the best {SHOWN} of {len(firsts)}, the best {BARS} as bars.")
    how = "exact" if len(axes) < 3 else f"of {SAMPLE:,} drawn evenly; ± is the standard error"
    st.caption(
        f"`{FIRST}`: of all ways to weigh these {len(axes)} numbers, the share for which it comes "
        f"first ({how})."
    )
    percent = st.column_config.NumberColumn(format="%.1f %%")
    numbers = {axis: st.column_config.NumberColumn(titled(axis), format="%.4g") for axis in axes}
    total = st.column_config.NumberColumn(format="%.3f")
    grid(
        weighed_table(table, weights, firsts),
        column_config={FIRST: percent, ERROR: percent, "total": total, **numbers},
        alt="The best by the weighted mean, with their numbers.",
    )
