"""The page: layout and widgets. Started by `bench leaderboard`."""

import os
import sys
from typing import Any

import pandas as pd
import streamlit as st

from bench.errors import BenchError
from bench.flags import FLAGS
from bench.legend import CONVENTIONS, explained, groups
from bench.ranking import HEADLINE, higher_is_better, summary
from bench.store import open_store, score_frame
from leaderboard.charts import sparsity_chart
from leaderboard.tables import ranking_table

RANKED_BY = [column for column in HEADLINE if higher_is_better(column) is not None]


def main() -> None:
    """Draws the whole page; Streamlit calls it at every click."""
    st.set_page_config(page_title="Sparse networks, measured", layout="wide")
    st.title("Robustness and anomaly detection of pruned networks")
    url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BENCH_STORE", "sqlite:///bench.db")
    try:
        with open_store(url, readonly=True) as store:
            runs = summary(score_frame(store))
    except BenchError as error:
        st.error(error.message)
        st.text("Make a store with `bench demo`, then open its page with the command it prints.")
        return
    if runs.empty:
        st.info("This store has no runs yet. `bench evaluate MODEL` adds one; `bench demo` seven.")
        return
    rows, by, to_dense = _choices(runs)
    table = ranking_table(rows, by, to_dense=to_dense)
    if table.empty:
        st.info(
            "No run here has a dense run of its seed, architecture and recipe beside it; "
            "score the dense parent too, or switch off the ratios."
        )
        return
    st.altair_chart(sparsity_chart(table, by), width="stretch")
    st.dataframe(table, hide_index=True, width="stretch", column_config=_columns(table, to_dense))
    for flag in dict.fromkeys(" ".join(table.get("flags", [])).split()):
        if flag in FLAGS:  # any other word is a stranger's, and shown in the table alone
            st.caption(f"`{flag}`: {FLAGS[flag].meaning}.")
    st.caption(CONVENTIONS)


def _choices(runs: pd.DataFrame) -> tuple[pd.DataFrame, str, bool]:
    """What the visitor picks on the left: a comparable group, the ranking column, ratios."""
    named = groups(runs)
    with st.sidebar:
        name = st.selectbox("Suite, images and protocol", list(named))
        by = st.selectbox("Rank by", RANKED_BY, help="Also the chart's vertical axis.")
        to_dense = st.toggle(
            "Relative to dense",
            help="Each number over that of the dense run of the same seed; mean over seeds.",
        )
        st.caption(explained(by, to_dense=to_dense))
        st.text(f"Protocol {named[name]['protocol'].iloc[0][:12]}")
    return named[name], by, to_dense


def _columns(table: pd.DataFrame, to_dense: bool) -> dict[str, Any]:
    """Header help with the end that is better, and a number format, for each headline column."""
    flags = st.column_config.TextColumn(
        "flags", help="What a reader has to know; each is explained below the table."
    )
    numbers = {
        column: st.column_config.NumberColumn(
            f"{column} {'↑' if higher_is_better(column) else '↓'}",
            help=explained(column, to_dense=to_dense),
            format="%.4g",
        )
        for column in HEADLINE
        if column in table
    }
    return {**numbers, "flags": flags}


main()
