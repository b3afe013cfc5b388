"""Numbers relative to dense, found once and kept between clicks and visitors."""

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
    return _ratios(view.source, " ".join(view.ids()), view.group)


@st.cache_resource(max_entries=16, show_spinner="Comparing with dense …")
def _ratios(source: Source, ids: str, _group: pd.DataFrame) -> pd.DataFrame:
    """Of these runs of a group, which these and the source tell from any other."""
    return relative(_group.loc[ids.split()])
