"""What the visitor picks on the left, for all pages. Every choice is in the address."""

import pandas as pd
import streamlit as st

from leaderboard.conditions import say_if_missing
from leaderboard.source import Source
from leaderboard.view import View
from leaderboard.views.marks import NOT_DECLARED

# column -> name; offered where the group has more than one value of it
WORDS = {
    "pruner": "Pruner",
    "architecture": "Architecture",
    "moment": "Moment",
    "scope": "Scope",
    "structure": "Structure",
    "kind": "Kind",
    "recipe": "Recipe",
    "trust": "Trust",
}
SEARCHED = ["slug", "pruner", "architecture", "recipe", "flags"]


def chosen(source: Source) -> View:
    """The controls, and the view that they ask for."""
    named = source.groups()
    with st.sidebar:
        say_if_missing("group", named)
        name = st.selectbox(
            "Suite and protocol",
            list(named),
            key="group",
            bind="query-params",
            help="Only runs on the same images by the same protocol are ever ranked together.",
        )
        group = named[name]
        to_dense = st.toggle(
            "Relative to dense",
            key="relative",
            bind="query-params",
            help="Each number over that of the dense run of the same seed; mean over seeds.",
        )
        text = st.text_input(
            "Search", key="search", bind="query-params", placeholder="name, pruner, flag …"
        )
        rows = _containing(group, str(text or ""))
        for column in (name for name in WORDS if name in st.query_params):
            say_if_missing(column, set(group[column].fillna(NOT_DECLARED)))
        with st.expander("Filters"):
            rows = _of_sparsity(_with_words(rows, group), group)
            flagged = st.toggle(
                "Without flagged runs",
                key="unflagged",
                bind="query-params",
                help="A flag says what a reader has to know, e.g. that gradients are masked.",
            )
        if flagged:
            rows = rows[rows["flags"] == ""]
        limit = group["limit"].iloc[0]
        images = "all images" if pd.isna(limit) else f"the first {limit:g} images of each set"
        protocol = group["protocol"].iloc[0][:12]
        st.caption(f"{len(rows)} of {len(group)} runs, on {images}. Protocol {protocol}.")
    return View(rows, group, bool(to_dense), source)


def _containing(rows: pd.DataFrame, text: str) -> pd.DataFrame:
    """Rows with all words of a text in one of the columns that are searched."""
    for word in text.lower().split():
        found = [
            rows[column].fillna("").str.lower().str.contains(word, regex=False)
            for column in SEARCHED
        ]
        rows = rows[pd.concat(found, axis=1).any(axis=1)]
    return rows


def _with_words(rows: pd.DataFrame, group: pd.DataFrame) -> pd.DataFrame:
    for column, name in WORDS.items():
        words = group[column].fillna(NOT_DECLARED)
        offered = sorted(words.unique())
        if len(offered) > 1:
            picked = st.multiselect(name, offered, key=column, bind="query-params")
            if picked:
                rows = rows[words.reindex(rows.index).isin(picked)]
    return rows


def _of_sparsity(rows: pd.DataFrame, group: pd.DataFrame) -> pd.DataFrame:
    """Rows within a range; runs without a measured sparsity are in the whole range alone."""
    if group["sparsity"].nunique() < 2:
        return rows
    low, high = st.slider(
        "Sparsity",
        0.0,
        1.0,
        (0.0, 1.0),
        step=0.01,
        key="sparsity",
        bind="query-params",
        help="Share of the prunable weights that are zero or removed, as measured.",
    )
    if (low, high) == (0.0, 1.0):
        return rows
    return rows[rows["sparsity"].round(2).between(low - 1e-9, high + 1e-9)]  # to a step
