"""Numbers relative to dense, found once and kept between clicks and visitors."""

import hashlib

import pandas as pd
import streamlit as st

from bench.ranking import relative
from leaderboard.source import Source
from leaderboard.view import View


def ratios(view: View) -> pd.DataFrame | None:
    """`bench.ranking.relative` of the view's rows and its dense runs, which must not be changed.

    None where the visitor does not want numbers relative to dense.
    """
    if not view.to_dense:
        return None
    dense = view.group["pruner"] == "dense"
    runs = view.group[dense | view.group.index.isin(view.rows.index)]
    known_by = hashlib.sha256("\n".join(runs.index).encode()).hexdigest()
    return _ratios(view.source, known_by, runs)


@st.cache_resource(max_entries=16, show_spinner="Comparing with dense …")
def _ratios(source: Source, known_by: str, _runs: pd.DataFrame) -> pd.DataFrame:
    """Of these runs; what begins with `_` does not tell one call from another."""
    return relative(_runs)
