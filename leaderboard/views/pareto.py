"""The front of two or three axes, and areas under curves: DataFrame in, DataFrame or chart out."""

from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from bench.pareto import CURVE, area, front, upwards
from leaderboard.views.compared import titled
from leaderboard.views.marks import GREY, encoding

DRAWN = 1000  # points, beside which the front is drawn whole
LEGEND = 20  # pruners named beneath; all are in the tooltips
FRONT, DOMINATED, NEITHER = "front", "dominated", "a number is missing"
RING = "#D55E00"
Steps = Literal["step-before", "step-after"]


def standing(table: pd.DataFrame, axes: list[str]) -> pd.DataFrame:
    """Who is on the front, and who dominates the others.

    Args:
        table: What `compared` returns.
        axes: Two or three of `bench.pareto.AXES`.

    Returns:
        `name`, `pruner`, `standing` (`FRONT`, `DOMINATED` or `NEITHER`), `dominated by` (name, or
        ""), the axes and `flags`: the front first, along the first axis from its better end, then
        the dominated, then the others.
    """
    found = front(table, axes)
    result = table[["name", "pruner"]].copy()
    words = np.where(found["front"], FRONT, np.where(found["dominator"].isna(), NEITHER, DOMINATED))
    result["standing"] = words
    result["dominated by"] = found["dominator"].map(table["name"]).astype(object).fillna("")
    result = pd.concat([result, table[[*axes, "flags"]]], axis=1)
    result["place"] = result["standing"].map([FRONT, DOMINATED, NEITHER].index)
    ascending = [True, *(not upwards(axis) for axis in axes), True]
    result = result.sort_values(["place", *axes, "name"], ascending=ascending)
    return result.drop(columns="place")


def drawn(table: pd.DataFrame) -> pd.DataFrame:
    """The front, and of the dominated as many, evenly along the first axis, as `DRAWN` leaves.

    Args:
        table: What `standing` returns.
    """
    beaten = np.flatnonzero(table["standing"] == DOMINATED)
    best = np.flatnonzero(table["standing"] == FRONT)
    room = max(DRAWN - len(best), 0)
    if len(beaten) > room:
        beaten = beaten[np.linspace(0, len(beaten) - 1, room).astype(int)]
    return table.iloc[[*best, *beaten]]


def front_chart(table: pd.DataFrame, axes: list[str]) -> alt.LayerChart | alt.FacetChart:
    """Points of two axes and the front; a third axis is their colour.

    Of two axes the front is a line in steps, beyond which nobody is; of three its points have a
    ring. Flagged runs are hollow.

    Args:
        table: What `drawn` returns.
        axes: Horizontal, vertical and, of three, the colour.
    """
    across, up, *third = axes
    room = alt.Scale(zero=False, nice=False, padding=12)
    base = alt.Chart(table).encode(
        x=alt.X(f"{across}:Q", title=titled(across), axis=_ticks(across), scale=room),
        y=alt.Y(f"{up}:Q", title=titled(up), axis=_ticks(up), scale=room),
    )
    points = base.encode(
        tooltip=[
            alt.Tooltip("name:N"),
            *(alt.Tooltip(f"{axis}:Q", title=titled(axis), format=",.4~r") for axis in axes),
            *(alt.Tooltip(f"{column}:N") for column in ("standing", "dominated by", "flags")),
        ],
        **(_of_number(third[0]) if third else _of_pruner(table)),
    )
    flagged = alt.datum.flags != ""
    layers = [
        points.transform_filter(~flagged).mark_point(
            filled=True, size=70, opacity=0.9, stroke=GREY, strokeWidth=0.6
        ),
        points.transform_filter(flagged).mark_point(filled=False, size=70, strokeWidth=2),
    ]
    best = base.transform_filter(alt.datum.standing == FRONT)
    if third:
        layers.append(best.mark_point(size=220, color=RING, strokeWidth=2, filled=False))
    else:
        steps: Steps = "step-before" if upwards(across) else "step-after"
        layers.insert(0, best.mark_line(interpolate=steps, color=GREY, strokeWidth=2))
    named = 2 if third else min(table["pruner"].nunique(), LEGEND)
    return alt.layer(*layers).properties(height=360 + 15 * named)


def _ticks(column: str) -> alt.Axis:
    return alt.Axis(format="%") if column == "sparsity" else alt.Axis()


def _of_pruner(table: pd.DataFrame) -> dict[str, alt.Color | alt.Shape]:
    marks = encoding(table["pruner"]).only(table["pruner"])
    legend = alt.Legend(orient="bottom", columns=2, symbolLimit=LEGEND, labelLimit=130)
    return {
        "color": alt.Color("pruner:N", scale=marks.colour(), legend=legend),
        "shape": alt.Shape("pruner:N", scale=marks.shape(), legend=legend),
    }


def _of_number(column: str) -> dict[str, alt.Color]:
    scale = alt.Scale(scheme="viridis", reverse=not upwards(column))
    legend = alt.Legend(orient="bottom")
    return {"color": alt.Color(f"{column}:Q", title=titled(column), scale=scale, legend=legend)}


def described(table: pd.DataFrame, axes: list[str]) -> str:
    """What the chart shows, for who hears it."""
    counts = table["standing"].value_counts()
    names = ", ".join(table.loc[table["standing"] == FRONT, "name"].head(10))
    return (
        f"{' against '.join(titled(axis) for axis in axes)}: {counts.get(FRONT, 0)} on the front "
        f"({names}), {counts.get(DOMINATED, 0)} dominated."
    )


def area_table(table: pd.DataFrame, column: str) -> tuple[pd.DataFrame, float, float]:
    """`bench.pareto.area`, the best first, without what all families have in common.

    Args:
        table: What `compared` returns.
        column: Of `HEADLINE`.

    Returns:
        `pruner`, what else tells families apart, `area`, `sparsities`, and `why` and `flags` where
        there are any; then the ends of the range, NaN if there is none.
    """
    found = area(table, column).sort_values(
        ["area", "pruner"], ascending=[not upwards(column), True], na_position="last"
    )
    varied = [key for key in CURVE if key != "pruner" and found[key].nunique(dropna=False) > 1]
    said = [text for text in ("why", "flags") if (found[text] != "").any()]
    result = found[["pruner", *varied, "area", "sparsities", *said]].reset_index(drop=True)
    return result, found["low"].max(), found["high"].max()
