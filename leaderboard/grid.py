"""A table on the page. Its toolbar writes CSV as it is shown, so no cell may be a formula."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from bench.tables import FORMULA

INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f]")


SHAPE: Mapping[str, Any] = {"hide_index": True, "width": "stretch", "placeholder": "–"}


def grid(frame: pd.DataFrame, *, alt: str, **options: Any) -> None:
    """Draws a frame as wide as its place; of a stranger's words only those that can be seen."""
    st.dataframe(harmless(frame), alt=alt, **SHAPE, **options)


def ticked(frame: pd.DataFrame, *, key: str, **options: Any) -> list[str]:
    """The same with rows to tick, and the labels of those that are.

    Under one key the browser keeps its table and takes the new rows into it, in half the time of
    another table. It keeps the places of the ticks too, so they are moved to where their rows are.
    """
    labels, known = list(map(str, frame.index)), f"{key}-labels"
    before = st.session_state.get(known, labels)
    if key in st.session_state and before != labels:
        ticks = _at(st.session_state[key], before)
        rows = [row for row, label in enumerate(labels) if label in ticks]
        st.session_state[key] = {"selection": {"rows": rows}}
    st.session_state[known] = labels
    drawn = st.dataframe(harmless(frame), key=key, on_select="rerun", **SHAPE, **options)
    return _at(drawn, labels)


def _at(drawn: Mapping[str, Any], labels: Sequence[str]) -> list[str]:
    """Labels of the ticked rows; the browser may have had more rows when one was ticked."""
    return [labels[row] for row in drawn["selection"]["rows"] if row < len(labels)]


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without programs: `'` stands before them, � for signs that cannot be seen."""
    result = frame.copy(deep=False)
    for column in frame.select_dtypes(["str", "object"]):
        result[column] = frame[column].map(_plain)
    return result


def _plain(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    seen = INVISIBLE.sub("\ufffd", cell)
    return f"'{seen}" if seen.startswith(FORMULA) else seen
