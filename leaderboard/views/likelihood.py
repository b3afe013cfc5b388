"""How probable flows find images: DataFrame in, table or chart out (the paper's Figure 4)."""

from collections.abc import Mapping
from itertools import pairwise

import altair as alt
import pandas as pd

from bench.densities import Bar, bars
from bench.metric_meanings import QUANTILES
from leaderboard.views.marks import COLOURS

HEIGHT = 260


def histograms(scores: pd.DataFrame) -> pd.DataFrame:
    """Bars of a twentieth of the images each.

    Args:
        scores: Of `bench.store.score_frame`, of the task likelihood.

    Returns:
        `run_id`, `set`, `images` (e.g. `5 % to 10 %`), `low` and `high` in nats, and `height`, the
        share of the images a nat.
    """
    ends = scores.assign(share=scores["metric"].map(QUANTILES)).dropna(subset=["share", "value"])
    ends = ends.sort_values("share", kind="stable")
    rows = [
        {"run_id": run, "set": name, "images": f"{first:.0%} to {last:.0%}", **bar._asdict()}
        for (run, name), own in ends.groupby(["run_id", "set"], sort=False)
        for (first, last), bar in zip(pairwise(own["share"]), bars(list(own["value"])), strict=True)
    ]
    return pd.DataFrame(rows, columns=["run_id", "set", "images", *Bar._fields])


def histogram(drawn: pd.DataFrame, sets: list[str], domain: tuple[float, float]) -> alt.Chart:
    """The bars of one run, a colour for each set.

    Args:
        drawn: Of `histograms`, of one run.
        sets: All that may be drawn, the test set first.
        domain: From where to where, in nats.
    """
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(sets))]
    return (
        alt.Chart(drawn)
        .mark_rect(opacity=0.5, clip=True)
        .encode(
            x=alt.X("low:Q", title="log-density, nats", scale=alt.Scale(domain=list(domain))),
            x2="high:Q",
            y=alt.Y("height:Q", title="share a nat", axis=alt.Axis(format="~g")),
            y2=alt.datum(0),
            color=alt.Color(
                "set:N",
                scale=alt.Scale(domain=sets, range=colours),
                legend=alt.Legend(title=None, orient="bottom", columns=2, labelLimit=300),
            ),
            tooltip=["set:N", "images:N", alt.Tooltip("low:Q"), alt.Tooltip("high:Q")],
        )
        .properties(height=HEIGHT)
    )


def table(
    rows: pd.DataFrame, scores: pd.DataFrame, suite: str, names: Mapping[str, str]
) -> pd.DataFrame:
    """A line for each run: sparsity, bits per dimension of the test set, AUROC of each other set.

    Args:
        rows: Of `bench.ranking.summary`.
        scores: As for `histograms`, of these runs.
        suite: Whose name the test set has.
        names: Of the runs, by id.
    """
    own = scores[(scores["metric"] == "bits_per_dim") & (scores["set"] == suite)]
    areas = scores[scores["metric"] == "auroc"].pivot_table(
        index="run_id", columns="set", values="value", sort=False
    )
    found = pd.DataFrame({"flow": pd.Series(names), "sparsity": rows["sparsity"]})
    found["bits per dimension"] = own.set_index("run_id")["value"]
    found = found.join(areas.rename(columns="AUROC {}".format))
    return found[found["flow"].notna()].sort_values("sparsity", kind="stable")
