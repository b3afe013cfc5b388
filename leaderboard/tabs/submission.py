"""One run: its card, its numbers, its layers, where it comes from."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pandas as pd
import streamlit as st

from bench.flags import meanings
from bench.records import Score, file_bytes, from_json
from leaderboard.grid import grid
from leaderboard.view import View
from leaderboard.views.submission import card, command, every_score, fingerprints, layers, standing


def show(view: View) -> None:
    """Draws the run that the visitor picks."""
    names = named(view.rows)
    run_id = str(
        st.selectbox(
            "Run", list(names), format_func=names.__getitem__, key="run", bind="query-params"
        )
    )
    entry = view.source.entry(run_id)
    record = entry.record
    scores = pd.DataFrame(record["scores"], columns=[field.name for field in fields(Score)])
    if entry.corrected:
        st.text(f"It stands in place of run {entry.corrected}: {entry.reason}")
    for flag, meaning in meanings(str(view.rows.loc[run_id, "flags"]).split()).items():
        st.text(f"⚑ {flag}: {meaning}.")
    _tables(record, view.group)
    chart = layers(scores)
    if chart is not None:
        st.text("Sparsity of each layer")
        st.altair_chart(chart, width="stretch", alt="Sparsity of each layer as bars")
    st.text("What makes it again, beside the folder of the submission:")
    st.code(command(record), language="bash")
    with st.expander("Fingerprints of the protocol and the images"):
        grid(fingerprints(record), alt="Fingerprints")
    with st.expander("Every score"):
        task = st.selectbox(
            "Task", list(dict.fromkeys(scores["task"])), key="task", bind="query-params"
        )
        rows = every_score(scores, str(task))
        grid(rows, alt=f"Scores of {task}")
    st.download_button(
        "Download the record (JSON)",
        lambda: file_bytes(from_json(record)),
        f"{run_id}.json",
        "application/json",
        on_click="ignore",
    )


def _tables(record: Mapping[str, Any], group: pd.DataFrame) -> None:
    """Who the run is, beside its headline numbers."""
    left, right = st.columns(2)
    with left:
        grid(card(record), alt="Card of the run")
    with right:
        grid(
            standing(group, record["run_id"]),
            column_config={
                "value": st.column_config.NumberColumn(format="%.4g"),
                "best": st.column_config.NumberColumn(format="%.4g"),
                "first": st.column_config.TextColumn("who is first"),
            },
            alt="Headline numbers of the run and their ranks",
        )


def named(rows: pd.DataFrame) -> dict[str, str]:
    """A readable name for each run, in the order of the names: slug, seed, digits of its id."""
    seeds = ["" if pd.isna(seed) else f" · seed {seed:g}" for seed in rows["seed"].astype(float)]
    slugs = zip(rows.index.astype(str), rows["slug"].astype(str), seeds, strict=True)
    found = {run_id: f"{slug}{seed} · {run_id[:6]}" for run_id, slug, seed in slugs}
    return dict(sorted(found.items(), key=lambda item: item[1]))
