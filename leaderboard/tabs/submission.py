"""One run: its card, its numbers, its layers, where it comes from."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from bench.flags import FLAGS
from bench.records import file_bytes, from_json
from leaderboard.conditions import say_if_missing
from leaderboard.grid import grid
from leaderboard.view import View
from leaderboard.views.names import named
from leaderboard.views.submission import (
    OF_EACH,
    OF_SCORES,
    card,
    command,
    every_score,
    fingerprints,
    layers,
    standing,
)


def show(view: View) -> None:
    """Draws the run that the visitor picks."""
    names = named(view.rows)
    say_if_missing("run", names.values())
    run_id = str(
        st.selectbox(
            "Run", list(names), format_func=names.__getitem__, key="run", bind="query-params"
        )
    )
    entry = view.source.entry(run_id)
    if entry.corrected:
        st.text(f"It stands in place of run {entry.corrected}: {entry.reason}")
    for flag in str(view.rows.loc[run_id, "flags"]).split():
        if flag in FLAGS:
            st.text(f"⚑ {flag}: {FLAGS[flag].meaning}.")
    left, right = st.columns(2)
    with left:
        grid(card(entry.record), alt="Card of the run")
    with right:
        grid(
            standing(view.group, run_id),
            column_config={
                "value": st.column_config.NumberColumn(format="%.4g"),
                "best": st.column_config.NumberColumn(format="%.4g"),
                "first": st.column_config.TextColumn("who is first"),
            },
            alt="Headline numbers of the run and their ranks",
        )
    _scores(pd.DataFrame(entry.record["scores"], columns=[*OF_SCORES, *OF_EACH]))
    _origin(entry.record)


def _scores(scores: pd.DataFrame) -> None:
    """Sparsity of each layer, and everything else that was measured."""
    chart = layers(scores)
    if chart is not None:
        st.text("Sparsity of each layer")
        st.altair_chart(chart, width="stretch", alt="Sparsity of each layer as bars")
    if scores.empty:
        return
    with st.expander("Every score"):
        task = st.selectbox(
            "Task", list(dict.fromkeys(scores["task"])), key="task", bind="query-params"
        )
        grid(every_score(scores, str(task)), alt=f"Scores of {task}")


def _origin(record: Mapping[str, Any]) -> None:
    """What makes the run again, and what proves that it is the same."""
    st.text("What makes it again, beside the folder of the submission:")
    st.code(command(record), language="bash")
    with st.expander("Fingerprints of the protocol and the images"):
        grid(fingerprints(record), alt="Fingerprints")
    st.download_button(
        "Download the record (JSON)",
        lambda: file_bytes(from_json(record)),
        f"{record['run_id']}.json",
        "application/json",
        on_click="ignore",
    )
