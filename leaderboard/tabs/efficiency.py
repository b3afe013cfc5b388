"""What networks cost: single ones, ensembles and Bayesian ones beside one dense network."""

import streamlit as st

from bench.ranking import SEVERAL
from leaderboard.grid import grid
from leaderboard.view import View
from leaderboard.views.efficiency import RATIOS, efficiency, references

ROWS = 100


def show(view: View) -> None:
    """Draws the page."""
    order = view.rows.assign(several=view.rows["kind"].isin(SEVERAL)).sort_values(
        ["several", "accuracy"], ascending=False, kind="stable"
    )
    rows = view.rows.loc[order.index[:ROWS]]
    dense = references(view.group[view.group["architecture"].isin(rows["architecture"])])
    dense = dense.groupby("architecture").head(ROWS)
    ids = list(rows.index.union(dense.index))
    scores = view.source.scores(ids, task="cost", metric=tuple(RATIOS))
    table = efficiency(rows, dense, scores)
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
