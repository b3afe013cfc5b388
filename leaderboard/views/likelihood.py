"""How probable flows find images: DataFrame in, table or chart out (the paper's Figure 4)."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from bench.metric_meanings import QUANTILES
from leaderboard.views.marks import COLOURS

HEIGHT = 260
BEYOND = 0.3  # of the width of the middle 90 % of all sets, that is drawn on each side of it
THIN = 1e-3  # of the range of a set: the narrowest bar, where many images are alike


def bars(scores: pd.DataFrame) -> pd.DataFrame:
    """A histogram of bars of equal areas, a twentieth of the images each.

    Args:
        scores: Of `bench.store.score_frame`, of the task likelihood.

    Returns:
        `run_id`, `set`, `low` and `high` in nats, `density` of images a nat, `images` (e.g. `5 % to
        10 %`).
    """
    ends = scores[scores["metric"].isin(list(QUANTILES))].assign(
        share=lambda table: table["metric"].map(QUANTILES)
    )
    ends = ends.dropna(subset=["value"]).sort_values(["run_id", "set", "share"])
    grouped = ends.groupby(["run_id", "set"], sort=False)
    range_ = grouped["value"].transform("max") - grouped["value"].transform("min")
    table = ends[["run_id", "set"]].assign(
        low=ends["value"],
        high=grouped["value"].shift(-1),
        area=grouped["share"].shift(-1) - ends["share"],
        images=[f"{share:.0%} to {share + 0.05:.0%}" for share in ends["share"]],
        least=range_ * THIN + 1e-9,
    )
    table = table.dropna(subset=["high"])
    width = (table["high"] - table["low"]).clip(lower=table["least"])
    return table.assign(density=table["area"] / width).drop(columns=["area", "least"])


def histogram(bars: pd.DataFrame, sets: list[str]) -> alt.Chart:
    """The bars of one run, a colour for each set.

    Args:
        bars: Of `bars`, of one run.
        sets: All that may be drawn, the test set first.
    """
    span = bars["high"].quantile(0.95) - bars["low"].quantile(0.05)
    domain = [
        float(bars["low"].quantile(0.05) - BEYOND * span),
        float(bars["high"].quantile(0.95) + BEYOND * span),
    ]
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(sets))]
    return (
        alt.Chart(bars)
        .mark_rect(opacity=0.5, clip=True)
        .encode(
            x=alt.X("low:Q", title="log-density, nats", scale=alt.Scale(domain=domain)),
            x2="high:Q",
            y=alt.Y("density:Q", title="share a nat", axis=alt.Axis(format="~g")),
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
        scores: As for `bars`, of these runs.
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
