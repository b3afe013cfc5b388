"""Numbers in coloured cells: DataFrame in, Altair chart out. Blue is always the better end."""

import altair as alt
import pandas as pd

WORSE, MIDDLE, BETTER, NONE = "#D55E00", "#F3F0E6", "#0072B2", "#9A9A9A"
WHITE_TEXT = 0.93  # shades from which white is read more easily than black
MISSING = "–"
CELL, ROW, HEADS = 36, 24, 190


def shaded(cells: pd.DataFrame, *, higher_is_better: bool, centre: float | None) -> pd.DataFrame:
    """Cells with what is written in them and how they are coloured.

    Args:
        cells: With `value`, NaN where it is missing.
        higher_is_better: Which end is blue.
        centre: Value that is neither better nor worse, as 1 is of a ratio; None if there is none.

    Returns:
        The same with `shade` in [0, 1], 1 for the best, NaN where the value is missing, and
        `text`, three digits or a dash.
    """
    value = cells["value"] if higher_is_better else -cells["value"]
    if centre is None:
        low, size = value.min(), value.max() - value.min()
        shade = (value - low) / size if size > 0 else value * 0 + 0.5
    else:
        away = value - (centre if higher_is_better else -centre)
        furthest = away.abs().max()
        shade = 0.5 + away / (2 * furthest) if furthest > 0 else away + 0.5
    text = [MISSING if pd.isna(number) else f"{number:.3f}" for number in cells["value"]]
    return cells.assign(shade=shade, text=text)


def heat_map(
    cells: pd.DataFrame, *, diverging: bool, told: list[str], cell: int = CELL
) -> alt.LayerChart | alt.FacetChart:
    """A cell for each row and column, in the order in which they first occur.

    Args:
        cells: What `shaded` returns, with `row`, `column`, optionally `block` (of neighbouring
            columns, written below them), and the columns of `told`.
        diverging: From worse to better through neutral, instead of from little to much.
        told: Columns that the tooltip shows.
        cell: Width of a cell in pixels.
    """
    rows, columns = (list(dict.fromkeys(cells[name])) for name in ("row", "column"))
    height = ROW * len(rows)
    colours = [WORSE, MIDDLE, BETTER] if diverging else [MIDDLE, BETTER]
    scale = alt.Scale(domain=[0, 0.5, 1] if diverging else [0, 1], range=colours, interpolate="rgb")
    kept = dict.fromkeys(["row", "column", "shade", "text", *told])
    place = alt.Chart(cells[list(kept)]).encode(
        x=alt.X(
            "column:N",
            sort=columns,
            title=None,
            axis=alt.Axis(orient="top", labelAngle=-45, labelLimit=170, labelOverlap=False),
        ),
        y=alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=230, labelOverlap=False)),
        tooltip=[alt.Tooltip(f"{name}:N") for name in told],
    )
    white = alt.condition(f"datum.shade > {WHITE_TEXT}", alt.value("white"), alt.value("black"))
    layers = [
        place.transform_filter("!isValid(datum.shade)").mark_rect(color=NONE),
        place.transform_filter("isValid(datum.shade)")
        .mark_rect()
        .encode(color=alt.Color("shade:Q", scale=scale, legend=None)),
        place.mark_text(fontSize=11).encode(text="text:N", color=white),
    ]
    if "block" in cells:
        layers.append(_blocks(cells, columns, height))
    return alt.layer(*layers).properties(
        width=cell * len(columns), height=height, autosize=alt.AutoSizeParams(type="pad")
    )


def room(cells: pd.DataFrame) -> int:
    """Pixels in height that a heat map needs, heads of columns included."""
    return ROW * cells["row"].nunique() + HEADS


def _blocks(cells: pd.DataFrame, columns: list[str], height: int) -> alt.Chart:
    """Names of blocks of columns below the cells."""
    heads = cells.drop_duplicates("column")[["column", "block"]]
    middle = heads.groupby("block", sort=False)["column"].agg(
        lambda some: some.iloc[len(some) // 2]
    )
    return (
        alt.Chart(middle.reset_index())
        .mark_text(color="#808080", fontSize=12, baseline="top")
        .encode(x=alt.X("column:N", sort=columns), y=alt.value(height + 6), text="block:N")
    )
