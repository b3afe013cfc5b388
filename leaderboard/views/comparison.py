"""Two runs and more beside each other: differences that are no chance, and the images behind."""

import altair as alt
import numpy as np
import pandas as pd

from bench.answers import Answers
from bench.comparison import Agreement
from bench.headline import HEADLINE
from bench.legend import head
from bench.store import TRUTH


def differences(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """What `bench.comparison.comparisons` found, for readers.

    Args:
        table: Its rows.
        names: Of the runs by id.

    Returns:
        `number` (title and better end), `other` (name; only where there are several), `first`,
        `second`, `difference`, `low`, `high`, `p`, `better`, `test`.
    """
    shown = table.assign(
        number=[head(column) for column in table["number"]],
        other=[names[run_id] for run_id in table["run_id"]],
    )
    several = ["other"] if table["run_id"].nunique() > 1 else []
    ends = ["first", "second", "difference", "low", "high", "p", "better", "test"]
    return shown[["number", *several, *ends]]


def together(found: Agreement) -> pd.DataFrame:
    """How many clean images both, one or none get right: `images`, `count`, `share`."""
    counts = {
        "both right": found.both,
        "only the first": found.first,
        "only the second": found.second,
        "both wrong": found.neither,
        "the same answer": found.same,
    }
    rows = [(images, count, count / found.n) for images, count in counts.items()]
    return pd.DataFrame(rows, columns=["images", "count", "share"])


def disagreements(suite: str, first: Answers, second: Answers) -> pd.DataFrame:
    """Clean images that two runs answer differently, the surest disagreement first.

    Args:
        suite: Whose test set it is.
        first: Stored answers of a run.
        second: Of another, to the same images.

    Returns:
        `image` (its number in the test set, from 0), `label` (if it is kept), `first` and `second`
        (classes), `sure` (the lower of the two confidences).
    """
    one, other = first[suite], second[suite]
    truth = first.get(TRUTH, second.get(TRUTH))
    places = np.flatnonzero(one.predicted != other.predicted)
    table = pd.DataFrame(
        {
            "image": places,
            "label": truth.predicted[places] if truth is not None else None,
            "first": one.predicted[places],
            "second": other.predicted[places],
            "sure": np.minimum(one.confidence, other.confidence)[places],
        }
    )
    table = table.sort_values("sure", ascending=False, kind="stable")
    return table if truth is not None else table.drop(columns="label")


def interval_chart(table: pd.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """Differences of accuracies and AUROCs with their 95 % intervals; zero is no difference.

    Args:
        table: Rows of `bench.comparison.comparisons` for one other run.
    """
    shares = {name for name, column in HEADLINE.items() if column.metric in ("accuracy", "auroc")}
    rows = table[table["number"].isin(shares)].dropna(subset=["low"])
    titled = rows.assign(number=[HEADLINE[name].title for name in rows["number"]])
    named = titled[["number", "difference", "low", "high", "p", "better"]]
    base = alt.Chart(named).encode(
        y=alt.Y("number:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    )
    colour = alt.Color(
        "better:N",
        scale=alt.Scale(
            domain=["second", "first", "no difference"], range=["#0072B2", "#D55E00", "#888888"]
        ),
        legend=alt.Legend(orient="bottom", title="better"),
    )
    tips = [alt.Tooltip(f"{name}:Q", format=".4f") for name in ("difference", "low", "high", "p")]
    bars = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", title="second minus first"), x2="high:Q", color=colour
    )
    points = base.mark_point(filled=True, size=70).encode(
        x="difference:Q", color=colour, shape=alt.Shape("better:N", legend=None), tooltip=tips
    )
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(strokeDash=[4, 4], color="#888888")
    return alt.layer(zero.encode(x="x:Q"), bars, points).properties(height=alt.Step(24))
