"""The ranking by a visitor's weights: DataFrame in, DataFrame or chart out."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from bench.weighing import weighed
from leaderboard.views.compared import titled
from leaderboard.views.marks import COLOURS

SHOWN, BARS = 50, 20  # rows of the table and of the chart
# Pruners' colours have no room for eleven: yellow and grey, and three more of Tol's.
PARTS = [*COLOURS, "#F0E442", "#999999", "#882255", "#44AA99", "#999933"]
FIRST, ERROR = "first for", "±"


def weighed_table(
    table: pd.DataFrame, weights: Mapping[str, float], firsts: pd.DataFrame
) -> pd.DataFrame:
    """The best `SHOWN` rows by their weighted mean.

    Args:
        table: What `compared` returns.
        weights: Of each axis, of which one is above 0.
        firsts: What `shares` returns for the axes above 0.

    Returns:
        `rank`, `name`, `total`, `first for` and `±` (percent of all weightings, and its standard
        error), the numbers of the axes above 0, and `flags` where there are any.
    """
    best = weighed(table, weights).head(SHOWN)
    axes = [axis for axis in weights if weights[axis] > 0]
    result = table.loc[best.index, ["name", *axes, "flags"]]
    result.insert(0, "rank", best["rank"])
    result.insert(2, "total", best["total"])
    result.insert(3, FIRST, 100 * firsts["share"])
    result.insert(4, ERROR, 100 * firsts["error"])
    said = (result["flags"] != "").any()
    return result if said else result.drop(columns="flags")


def parts_chart(table: pd.DataFrame, weights: Mapping[str, float], order: list[str]) -> alt.Chart:
    """A bar for each of the best `BARS` rows, of what each axis adds to its total.

    Args:
        table: What `compared` returns.
        weights: Of each axis, of which one is above 0.
        order: All axes that could be weighed, of which each has a colour.
    """
    best = weighed(table, weights).head(BARS)
    axes = [axis for axis in order if axis in best]
    parts = best[axes].rename(columns=titled)
    parts = parts.assign(name=table["name"], row=range(len(best)))
    long = parts.melt(["name", "row"], var_name="axis", value_name="part")
    palette = alt.Scale(
        domain=[titled(axis) for axis in axes], range=[PARTS[order.index(axis)] for axis in axes]
    )
    long["place"] = long["axis"].map([titled(axis) for axis in axes].index)
    return (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X(
                "part:Q",
                title="weighted mean",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(tickCount=5),
            ),
            y=alt.Y(
                "name:N",
                sort=alt.EncodingSortField("row", op="min"),
                title=None,
                axis=alt.Axis(labelLimit=220, labelOverlap=False, labelFlush=False),
            ),
            color=alt.Color(
                "axis:N",
                scale=palette,
                title=None,
                legend=alt.Legend(orient="top", columns=1, labelLimit=250),
            ),
            order=alt.Order("place:Q"),
            tooltip=["name:N", "axis:N", alt.Tooltip("part:Q", title="adds", format=".3f")],
        )
        .properties(height=alt.Step(20))
    )


def first_of(table: pd.DataFrame, firsts: pd.DataFrame, axes: list[str]) -> str:
    """Who is first for the most weightings, as a sentence; names in it are strangers' words."""
    share = firsts["share"].max()
    names = table.loc[firsts.index[firsts["share"] == share], "name"].sort_values()
    several = f" and {len(names) - 1} more are each" if len(names) > 1 else " is"
    counted = "every weighting" if share == 1 else f"{100 * share:.0f} % of all weightings"
    return f"{names.iloc[0]}{several} first for {counted} of {len(axes)} axes."
