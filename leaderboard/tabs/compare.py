"""Two runs or more, beside each other."""

import pandas as pd
import streamlit as st

from bench.comparison import agreement, comparisons, unmatched
from leaderboard.grid import grid
from leaderboard.view import View
from leaderboard.views.comparison import differences, disagreements, interval_chart, together
from leaderboard.views.names import named

MOST = 6  # runs at once
IMAGES = 500  # of the disagreements


def show(view: View) -> None:
    """Draws the runs that the visitor picks."""
    names = named(view.rows)
    picked = st.multiselect(
        "Runs; each is compared with the first",
        list(names),
        list(names)[:2],
        format_func=names.__getitem__,
        max_selections=MOST,
        key="compared",
        bind="query-params",
    )
    if len(picked) < 2:
        st.info("Pick two runs or more.")
        return
    outcomes = view.source.outcomes
    table = comparisons(view.rows.loc[picked], outcomes, view.source.scores(picked))
    if not outcomes(picked[0]) or not outcomes(picked[1]):
        st.text(
            "Answers to single images are not stored for these runs, so they are compared by their "
            "numbers alone: the intervals are wider than need be."
        )
    st.altair_chart(
        interval_chart(table[table["run_id"] == picked[1]]),
        width="stretch",
        alt="Differences between the first two runs with their intervals; the table has them too",
    )
    _differences(differences(table, names))
    for sentence in _unmatched(view, picked, names):
        st.text(sentence)
    st.caption(
        "Intervals are 95 % each; p is McNemar's, a paired test or DeLong's, adjusted by Holm for "
        "all rows shown. `no difference`: chance explains it."
    )
    _images(view, picked[0], picked[1])


def _unmatched(view: View, picked: list[str], names: dict[str, str]) -> list[str]:
    """What the first run or another lacks; what the first does is said once."""
    first, *others = picked
    rows = view.rows.loc[picked].to_dict("index")
    pairs = [(rows[first], rows[other], (names[first], names[other])) for other in others]
    return list(dict.fromkeys(sentence for pair in pairs for sentence in unmatched(*pair)))


def _differences(table: pd.DataFrame) -> None:
    number = st.column_config.NumberColumn
    formats = dict.fromkeys(("first", "second", "difference", "low", "high"), "%.4g")
    grid(
        table,
        column_config={name: number(format=text) for name, text in formats.items()}
        | {"p": number(format="%.2g")},
        alt="Differences, intervals and tests",
    )


def _images(view: View, first: str, second: str) -> None:
    """What the first two answer to the clean images."""
    one, other = view.source.outcomes(first), view.source.outcomes(second)
    found = agreement(view.suite, one, other)
    if found is None:
        return
    st.text(f"Clean images, of {found.n}")
    left, right = st.columns(2)
    with left:
        grid(
            together(found),
            column_config={"share": st.column_config.NumberColumn(format="percent")},
            alt="Images that both, one or none get right",
        )
    with right:
        grid(
            disagreements(view.suite, one, other).head(IMAGES),
            column_config={"sure": st.column_config.NumberColumn(format="%.3f")},
            alt="Images on which the two disagree, the surest first",
        )
