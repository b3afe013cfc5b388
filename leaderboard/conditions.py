"""Controls that several pages have: which detector, how many images a score, which severity."""

from typing import Any

import streamlit as st

from bench.protocol import PROTOCOL, PROTOCOLS, Protocol
from leaderboard.view import View

MEAN = "mean"


def protocol_of(view: View) -> Protocol:
    """The protocol of the group; the standard one if it is not among those known here."""
    return PROTOCOLS.get(str(view.group["preset"].iloc[0]), PROTOCOL)


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
