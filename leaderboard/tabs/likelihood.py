"""Flows: the densities that they give to images of each set."""

from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from bench.densities import window
from leaderboard.grid import grid
from leaderboard.view import View
from leaderboard.views.likelihood import histogram, histograms, table
from leaderboard.views.names import named

AT_FIRST = 4
MOST = 12  # runs


def show(view: View) -> None:
    """Draws the page."""
    rows = view.rows[view.rows["kind"] == "flow"]
    if rows.empty:
        _elsewhere(view)
        return
    offered = named(rows)
    by_sparsity = rows.sort_values(["sparsity", "seed"], kind="stable").index
    picked = st.multiselect(
        "Flows",
        list(offered),
        format_func=offered.__getitem__,
        key="flows",
        bind="query-params",
        placeholder="the densest",
        max_selections=MOST,
    )
    chosen = list(picked or by_sparsity[:AT_FIRST])
    scores = view.source.scores(chosen, task="likelihood")
    st.caption(
        "Share of the images of each set by their log-density. A flow notices a set whose bars lie "
        "left of the test set's; AUROC is that of minus the log-density, higher is better. Each "
        "bar is a twentieth of the images."
    )
    drawn = histograms(scores)
    if drawn.empty:
        st.info("None of these flows has a log-density: it was not measured, or it failed.")
    else:
        _draw(drawn, {run: rows.loc[run, "sparsity"] for run in chosen}, offered, view.suite)
    grid(
        table(rows.loc[chosen], scores, view.suite, {run: offered[run] for run in chosen}),
        alt="Bits per dimension, and AUROC of each outlier set, by flow",
    )


def _draw(
    drawn: pd.DataFrame, sparsity: dict[str, float], names: dict[str, str], suite: str
) -> None:
    """A chart for each run, all over the same densities."""
    domain = window(part["low"].tolist() for _, part in drawn.groupby(["run_id", "set"]))
    sets = [suite, *(name for name in drawn["set"].unique() if name != suite)]
    for run, share in sparsity.items():
        st.text(f"{names[run]} · sparsity {share:.3g}")
        st.altair_chart(
            histogram(drawn[drawn["run_id"] == run], sets, domain),
            width="stretch",
            alt=f"Histogram of log-densities by {names[run]}. The table below has its numbers.",
        )


def _elsewhere(view: View) -> None:
    """Where flows are, which are a comparison of their own."""
    found = [name for name, rows in view.source.groups().items() if (rows["kind"] == "flow").any()]
    st.info(
        "No run here is of a flow, a network that gives images a density. "
        + ("Flows are here:" if found else "`bench train --arch glow-small` makes one.")
    )
    for name in found:
        st.link_button(name, f"?{urlencode({'tab': 'Likelihood', 'group': name})}")
