"""The leaderboard: what all pages share, and which there are. Started by `bench leaderboard`."""

import os

import streamlit as st

from bench.errors import BenchError
from leaderboard.filters import chosen
from leaderboard.shipped import shipped_store
from leaderboard.source import Source, joined, opened
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


def _own_store() -> str:
    return os.environ.get("BENCH_STORE", "sqlite:///bench.db")


def _source() -> Source | None:
    """The store and the shipped runs, as far as they can be opened; None after saying why."""
    found, problems = [], []
    for store in (_own_store, shipped_store):
        try:
            if url := store():
                found.append(opened((url,)))
        except BenchError as error:
            problems.append(error.message)
        except OSError as error:  # of the cache
            problems.append(f"The shipped runs cannot be kept: {error}")
    for problem in problems:
        (st.warning if found else st.error)(problem)
    if not found:
        st.text("Make a store with `bench demo`, then open its page with the command it prints.")
        return None
    source = joined(found)
    if _own_store() not in source.urls:
        st.text("Shown are the runs that the project ships.")
    return source


main()
