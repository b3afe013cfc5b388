"""Controls of what a page shows: recipe, detector, how many images a score, severity."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import streamlit as st

from bench.protocol import PROTOCOL, PROTOCOLS, Protocol
from leaderboard.view import View
from leaderboard.views.marks import NOT_DECLARED

MEAN, ALL = "mean", "all"


def say_if_missing(key: str, offered: Collection[str]) -> None:
    """Says of a link that asks for what is not offered that something else is shown."""
    for asked in st.query_params.get_all(key):
        if asked and asked not in offered:
            st.text(f"The link asks for {asked!r}, which is not here; something else is shown.")


def protocol_of(view: View) -> Protocol:
    """The protocol of the group; the standard one if it is not among those known here."""
    return PROTOCOLS.get(str(view.group["preset"].iloc[0]), PROTOCOL)


def of_recipe(view: View) -> View:
    """The view and its group with one recipe alone: the chosen one, else that of most runs."""
    of_rows, of_group = (table["recipe"].fillna(NOT_DECLARED) for table in (view.rows, view.group))
    counts = of_rows.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if len(counts) > 1:
        recipe = st.selectbox(
            "Recipe",
            [*counts.index, ALL],
            key="trained",
            bind="query-params",
            width=220,
            help="How the networks were trained: those of one recipe differ in their pruning.",
        )
    else:
        recipe = counts.index[0]
    if recipe == ALL:
        return view
    return replace(view, rows=view.rows[of_rows == recipe], group=view.group[of_group == recipe])


def chosen_detector(view: View, task: str) -> dict[str, Any]:
    """Controls of a detector and its batch size, as conditions of scores."""
    protocol = protocol_of(view)
    detector = st.selectbox(
        "Detector",
        protocol.detectors_of(task),
        key="detector",
        bind="query-params",
        width=180,
    )
    return {"detector": detector, "batch_size": chosen_batch_size(view)}


def chosen_batch_size(view: View) -> int:
    """Control of the number of images that one outlier score speaks for."""
    sizes = [str(size) for size in protocol_of(view).detector_batch_sizes]
    size = st.segmented_control(
        "Images a score",
        sizes,
        default=sizes[0],
        key="images",
        required=True,
        bind="query-params",
        help="A detector may judge several images of one kind together.",
    )
    return int(str(size))


def chosen_severity(view: View) -> dict[str, Any]:
    """Control of a severity, as conditions of scores; none for the mean over all."""
    severities = [MEAN, *(str(severity) for severity in protocol_of(view).severities)]
    severity = str(
        st.segmented_control(
            "Severity", severities, default=MEAN, key="severity", required=True, bind="query-params"
        )
    )
    return {} if severity == MEAN else {"severity": int(severity)}
