"""Numbers relative to dense of a whole group, found once and kept between clicks and visitors."""

import pandas as pd
import streamlit as st

from bench.ranking import GROUP, relative
from leaderboard.source import Source
from leaderboard.view import View


def ratios(view: View) -> pd.DataFrame | None:
    """`bench.ranking.relative` of the view's group, which must not be changed.

    None where the visitor does not want numbers relative to dense.
    """
    if not view.to_dense:
        return None
    recipes = sorted(view.group["recipe"].fillna("").unique())  # a page may show one alone
    place = (*map(str, view.group[GROUP].iloc[0]), *recipes)
    return _ratios(view.source, place, view.group)


@st.cache_resource(max_entries=16, show_spinner="Comparing with dense …")
def _ratios(source: Source, place: tuple[str, ...], _group: pd.DataFrame) -> pd.DataFrame:
    """Of the group at a place; what begins with `_` does not tell one call from another."""
    return relative(_group)
