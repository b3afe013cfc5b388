"""What networks cost: single ones, ensembles and Bayesian ones beside one dense network."""

import streamlit as st

from leaderboard.grid import grid
from leaderboard.view import View
from leaderboard.views.efficiency import RATIOS, SINGLE, costs, efficiency

ROWS = 100


def show(view: View) -> None:
    """Draws the page."""
    order = view.rows.assign(single=view.rows["kind"] == SINGLE).sort_values(
        ["single", "accuracy"], ascending=[True, False], kind="stable"
    )
    rows = view.rows.loc[order.index[:ROWS]]
    dense = view.group.index[(view.group["pruner"] == "dense") & (view.group["kind"] == SINGLE)]
    ids = list(rows.index.union(dense[:ROWS]))
    found = costs(view.source.scores(ids, task="cost", metric=tuple(RATIOS)))
    table = efficiency(rows, view.group, found)
    st.caption(
        "× is the ratio to one dense network of the same architecture: below 1 is cheaper. An "
        "ensemble counts all its members, a Bayesian network all its passes. Inference is timed "
        "against a dense network when a run is scored, in turns; the others are counts. "
        "`bench efficiency` also measures training."
    )
    if len(view.rows) > ROWS:
        st.caption(f"Shown are {ROWS} of {len(view.rows)} runs, ensembles and Bayesian ones first.")
    numbers = [name for name in table.columns if "×" in name or name in ("accuracy", "AUROC, MSP")]
    config = {name: st.column_config.NumberColumn(format="%.3f") for name in [*numbers, "sparsity"]}
    grid(table, column_config=config, alt="Cost of each run as ratios to one dense network")
