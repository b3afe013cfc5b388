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


def ticked(frame: pd.DataFrame, *, alt: str, **options: Any) -> list[str]:
    """The same with rows to tick, and the labels of those that are."""
    drawn = st.dataframe(harmless(frame), alt=alt, on_select="rerun", **SHAPE, **options)
    return [str(frame.index[row]) for row in drawn["selection"]["rows"]]


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
