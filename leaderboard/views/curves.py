"""Charts for the page: DataFrame in, Altair chart out. No widgets, no torch."""

import altair as alt
import pandas as pd

# Okabe and Ito's palette: told apart by the colour-blind.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#000000"]


def sparsity_chart(table: pd.DataFrame, column: str) -> alt.LayerChart | alt.FacetChart:
    """Sparsity against one number, a line for each pruner, dense as a dashed reference.

    Args:
        table: Rows of one group of `bench.ranking.summary` or `relative`: `pruner`, `sparsity`
            and the column.
        column: Headline column.
    """
    named = table.assign(pruner=table["pruner"].fillna("not declared"))
    rows = named.dropna(subset=[column, "sparsity"])
    dense = rows[rows["pruner"] == "dense"]
    pruned = rows[rows["pruner"] != "dense"]
    y = alt.Y(f"{column}:Q", title=column, scale=alt.Scale(zero=False))
    lines = (
        alt.Chart(pruned)
        .mark_line(point=alt.OverlayMarkDef(size=60))
        .encode(
            x=alt.X("sparsity:Q", title="sparsity", axis=alt.Axis(format="%")),
            y=y,
            color=alt.Color(
                "pruner:N", scale=alt.Scale(range=COLOURS), legend=alt.Legend(orient="bottom")
            ),
            shape=alt.Shape("pruner:N"),
            tooltip=[
                alt.Tooltip("pruner:N"),
                alt.Tooltip("sparsity:Q", format=".3f"),
                alt.Tooltip(f"{column}:Q", format=".4f"),
            ],
        )
    )
    reference = (
        alt.Chart(dense)
        .mark_rule(strokeDash=[6, 4], color="#666666")
        .encode(y=alt.Y(f"mean({column}):Q", title=column))
    )
    name = (
        alt.Chart(dense)
        .mark_text(align="left", dx=4, dy=-7, color="#666666")
        .encode(y=alt.Y(f"mean({column}):Q"), x=alt.value(0), text=alt.value("dense"))
    )
    return alt.layer(reference, name, lines).properties(height=380)
