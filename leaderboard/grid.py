"""A table on the page. Its toolbar writes CSV as it is shown, so no cell may be a formula."""

import re
from typing import Any

import pandas as pd
import streamlit as st

from bench.tables import FORMULA

INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f]")


def grid(frame: pd.DataFrame, *, alt: str, **options: Any) -> None:
    """Draws a frame as wide as its place; of a stranger's words only those that can be seen."""
    st.dataframe(harmless(frame), hide_index=True, width="stretch", alt=alt, **options)


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without programs: `'` stands before them, � for signs that cannot be seen."""
    plain = frame.copy()
    for column in frame.select_dtypes(["str", "object"]):
        plain[column] = frame[column].map(_plain)
    return plain


def _plain(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    seen = INVISIBLE.sub("\ufffd", cell)
    return f"'{seen}" if seen.startswith(FORMULA) else seen
