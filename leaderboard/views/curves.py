"""Numbers against sparsity: DataFrame in, Altair chart out. No widgets, no torch."""

import math

import altair as alt
import pandas as pd

from bench.ranking import PRUNED
from leaderboard.views.marks import GREY, Marks

HEIGHT = 340
NARROW = 1e-2  # of its size: an axis that shows less says nothing
DRAWN = [
    *("line", *PRUNED, "sparsity", "seeds", "flags"),
    *("value", "std", "low", "high", "alone", "flagged"),
]


def sparsity_chart(
    found: pd.DataFrame, dense: pd.DataFrame, marks: Marks, title: str, height: int = HEIGHT
) -> alt.LayerChart | alt.FacetChart:
    """Sparsity against one number, a line for each way of pruning, dense as a dashed reference.

    Args:
        found: Pruned points of one column, as `lines.points` returns them. Points with flags are
            hollow; the band is one deviation to each side, where there are several seeds.
        dense: Its dense points.
        marks: How each line is drawn.
        title: Of the numbers.
        height: In pixels, axes included.
    """
    sizes = found.groupby("line")["line"].transform("size")
    rows = found.assign(alone=sizes == 1, flagged=found["flags"] != "")[DRAWN]
    low, high = extent(pd.concat([found, dense]))
    x = alt.X(
        "sparsity:Q",
        title="sparsity",
        scale=alt.Scale(domain=[leftmost(rows["sparsity"]), 1], nice=False),
        axis=alt.Axis(format=".0%", tickCount=5, labelOverlap=True, grid=False),
    )
    form = alt.Axis(format=number_format(low, high), tickCount=5)
    y = alt.Y("value:Q", title=None, scale=alt.Scale(domain=[low, high], nice=False), axis=form)
    drawn = alt.Chart(rows).encode(
        x=x, y=y, color=alt.Color("line:N", scale=marks.colour(), legend=None)
    )
    layers = [
        *_references(dense, y),
        *_bands(drawn.encode(y=alt.Y("low:Q", title=None), y2="high:Q")),
        drawn.mark_line(clip=True).encode(
            strokeDash=alt.StrokeDash("line:N", scale=marks.dash(), legend=None)
        ),
        *(_points(drawn, marks, flagged=flagged) for flagged in (False, True)),
    ]
    return alt.layer(*layers).properties(
        height=height,
        title=alt.TitleParams(title, anchor="start", fontSize=13, limit=280),
    )


def _bands(drawn: alt.Chart) -> list[alt.Chart]:
    """One deviation to each side: an area along a line, a rule where a line is one point."""
    several = drawn.transform_filter("isValid(datum.std)")
    area = several.transform_filter("!datum.alone").mark_area(opacity=0.12, clip=True)
    return [area, several.transform_filter("datum.alone").mark_rule(opacity=0.6, clip=True)]


def _points(drawn: alt.Chart, marks: Marks, *, flagged: bool) -> alt.Chart:
    some = drawn.transform_filter("datum.flagged" if flagged else "!datum.flagged")
    return some.mark_point(size=60, filled=not flagged, opacity=1, strokeWidth=2).encode(
        shape=alt.Shape("line:N", scale=marks.shape(), legend=None),
        tooltip=[
            *(alt.Tooltip(f"{name}:N") for name in PRUNED),
            alt.Tooltip("sparsity:Q", format=".2%"),
            alt.Tooltip("value:Q", title="mean", format=".5~g"),
            alt.Tooltip("std:Q", title="deviation", format=".3~g"),
            alt.Tooltip("seeds:Q"),
            alt.Tooltip("flags:N"),
        ],
    )


def _references(dense: pd.DataFrame, y: alt.Y) -> list[alt.Chart]:
    several = len(dense) > 1
    named = [f"dense{line.removeprefix('dense')}" if several else "dense" for line in dense["line"]]
    rows = dense[["value", "std", "seeds"]].assign(name=named)
    rule = alt.Chart(rows).mark_rule(strokeDash=[6, 4], color=GREY, strokeWidth=1.5)
    name = alt.Chart(rows).mark_text(align="left", dx=4, dy=-7, color=GREY)
    return [
        rule.encode(y=y, tooltip=["name:N", alt.Tooltip("value:Q", format=".5~g"), "seeds:Q"]),
        name.encode(y=y, x=alt.value(0), text="name:N"),
    ]


def key_chart(marks: Marks) -> alt.Chart:
    """What each colour and shape means, as a strip that takes as many lines as it needs."""
    names = pd.DataFrame({"line": list(marks.names)})
    longest = max((len(name) for name in marks.names), default=0)
    columns = alt.ExprRef(f"max(1, floor(width / {40 + 7 * min(longest, 40)}))")
    legend = alt.Legend(
        orient="top",
        title=None,
        columns=columns,
        labelLimit=300,
        symbolOpacity=1,
        rowPadding=2,
        offset=0,
    )
    return (
        alt.Chart(names)
        .mark_point(filled=True, opacity=0)
        .encode(
            color=alt.Color("line:N", scale=marks.colour(), legend=legend),
            shape=alt.Shape("line:N", scale=marks.shape(), legend=legend),
        )
        .properties(height=1, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    )


def extent(found: pd.DataFrame) -> tuple[float, float]:
    """Ends of the vertical axis: of all numbers and bands, a little wider, and never a sliver."""
    ends = pd.concat([found["value"], found["low"], found["high"]]).dropna()
    if ends.empty:
        return 0.0, 1.0
    low, high = float(ends.min()), float(ends.max())
    size = max(abs(low), abs(high), 1e-3)
    margin = max(0.06 * (high - low), (NARROW * size - (high - low)) / 2)
    return low - margin, high + margin


def leftmost(sparsities: pd.Series) -> float:
    """Left end of the horizontal axis: a tenth or so left of the sparsest, never below 0."""
    if sparsities.empty:
        return 0.0
    return max(0.0, math.floor(10 * float(sparsities.min()) - 0.5) / 10)


def number_format(low: float, high: float) -> str:
    """As many digits as tell five ticks apart, in d3's language."""
    if max(abs(low), abs(high)) >= 1000:
        return ".3~s"
    return f".{max(0, -math.floor(math.log10((high - low) / 5)))}f"
