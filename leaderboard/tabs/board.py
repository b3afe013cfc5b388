"""The ranking."""

import streamlit as st

from bench.flags import FLAGS
from bench.headline import HEADLINE, higher_is_better
from leaderboard.view import View
from leaderboard.views.board import explained, ranking_table

RANKED_BY = [column for column in HEADLINE if higher_is_better(column) is not None]


def show(view: View) -> None:
    """Draws the page."""
    by = st.selectbox("Rank by", RANKED_BY, key="by", bind="query-params")
    st.caption(explained(by, to_dense=view.to_dense))
    table = ranking_table(view.rows, by, to_dense=view.to_dense)
    st.dataframe(table, hide_index=True, width="stretch")
    for flag in dict.fromkeys(" ".join(table.get("flags", [])).split()):
        if flag in FLAGS:
            st.caption(f"`{flag}`: {FLAGS[flag].meaning}.")
