"""The leaderboard: what all pages share, and which there are. Started by `bench leaderboard`."""

import os

import streamlit as st

from bench.errors import BenchError
from leaderboard.filters import chosen
from leaderboard.shipped import shipped_store
from leaderboard.source import Source, opened
from leaderboard.tabs import TABS


def main() -> None:
    """Draws what the visitor looks at; Streamlit calls it at every click."""
    st.set_page_config(page_title="Sparse networks, measured", layout="wide")
    st.subheader("Robustness and anomaly detection of pruned networks")
    source = _source()
    if source is None:
        return
    try:
        _draw(source)
    except BenchError as error:  # the store has gone, or is written to, since it was opened
        st.error(error.message)


def _draw(source: Source) -> None:
    if source.runs().empty:
        st.info("This store has no runs yet. `bench evaluate MODEL` adds one; `bench demo` seven.")
        return
    tab = st.segmented_control(
        "Look at",
        list(TABS),
        default=next(iter(TABS)),
        key="tab",
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    view = chosen(source)
    if view.rows.empty:
        st.info("No run here is as the filters on the left ask; take one of them back.")
        return
    TABS[str(tab)](view)


def _source() -> Source | None:
    """The store and the shipped runs; None after saying why there are none."""
    url = os.environ.get("BENCH_STORE", "sqlite:///bench.db")
    shipped = shipped_store()
    try:
        return opened((url, shipped) if shipped else (url,))
    except BenchError as error:
        if not shipped:
            st.error(error.message)
            st.text("Make one with `bench demo`, then open its page with the command it prints.")
            return None
        st.warning(error.message)
    st.text("Shown are the runs that the project ships.")
    return opened((shipped,))


main()
