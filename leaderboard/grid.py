"""A table on the page. Its toolbar writes CSV as it is shown, so no cell may be a formula."""

import re
from collections.abc import Mapping
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

    Under one key the browser keeps its table and takes new rows into it, in half the time of
    another table. It would keep the places of the ticks too: where there are any, other rows get
    another table, without ticks.
    """
    labels, known = list(map(str, frame.index)), f"{key}-rows"
    before, number = st.session_state.get(known, (labels, 0))
    if before != labels and _ticks(st.session_state.get(f"{key}-{number}")):
        number += 1
    st.session_state[known] = labels, number
    options |= {"key": f"{key}-{number}", "on_select": "rerun"}
    rows = _ticks(st.dataframe(harmless(frame), **SHAPE, **options))
    return [labels[row] for row in rows if row < len(labels)]  # a click may be of a longer table


def _ticks(drawn: Mapping[str, Any] | None) -> list[int]:
    return list(drawn["selection"]["rows"]) if drawn else []


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without programs: `'` stands before them, � for signs that cannot be seen."""
    result = frame.copy(deep=False)
    for column in frame.select_dtypes(["str", "object"]):
        cells = frame[column].tolist()
        plain = [_plain(cell) for cell in cells]
        if plain != cells:
            result[column] = pd.Series(plain, frame.index)
    return result.set_axis([_plain(name) for name in frame], axis="columns")


def _plain(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    seen = INVISIBLE.sub("\ufffd", cell)
    return f"'{seen}" if seen.startswith(FORMULA) else seen
