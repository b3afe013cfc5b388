"""The figure of the grid, drawn from its runs that the repository ships.

`python -m ci.figures` draws it anew. It says in its metadata of which numbers it is, as the bytes
of a picture differ between versions of matplotlib.
"""

import hashlib
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures import GREY, png
from bench.headline import HEADLINE
from bench.legend import head
from bench.ranking import over_seeds, summary
from bench.records import Run
from ci.shipped import ROOT, frame_of, grid_runs

COLUMNS = ("accuracy", "fgsm_linf_worst", "shift", "ood_msp", "ood_sensnorm", "brier")
PICTURE = ROOT / "leaderboard" / "grid.png"
SHADES = ("#9ecae1", "#4292c6", "#08519c", "#041f4a")  # of the sparsities, the densest first
MARKS = "osD^"
STEP = 0.16  # between the sparsities of a pruner
DRAWN = 0.5  # accuracy from which on a network is drawn; the others would take all the room


def means(runs: list[Run]) -> pd.DataFrame:
    """`over_seeds` of the headline numbers."""
    return over_seeds(summary(frame_of(runs)), list(HEADLINE))


def grid_figure(rows: pd.DataFrame) -> Figure:
    """What each pruner leaves of each number, at each sparsity: mean and deviation over seeds.

    Args:
        rows: What `means` returns; the dense network's numbers are lines. Networks that hardly
            classify are named below.
    """
    rows = rows.fillna({f"{column}_std": 0 for column in COLUMNS})  # one seed has none
    dense, pruned = rows[rows["pruner"] == "dense"], rows[rows["pruner"] != "dense"]
    names = list(pruned.groupby("pruner")["accuracy"].mean().sort_values().index)
    sparsities = sorted(pruned["declared_sparsity"].unique())
    drawn = pruned["accuracy"] >= DRAWN
    figure = Figure(figsize=(12, 13), dpi=90, layout="constrained")
    panels = figure.subplots(2, 3, sharey=True).flat
    for axes, column in zip(panels, COLUMNS, strict=True):
        _draw(axes, pruned[drawn], names, sparsities, column)
        (value,), (std,) = dense[column], dense[f"{column}_std"]
        axes.axvspan(value - std, value + std, color=GREY, alpha=0.25, linewidth=0)
        axes.axvline(value, color=GREY, linewidth=1, label="dense")
        axes.set_title(head(column), fontsize=11)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        frameon=False,
        title=_left_out(pruned[~drawn]),
    )
    return figure


def _left_out(rows: pd.DataFrame) -> str:
    shares = rows.groupby("pruner")["declared_sparsity"]
    named = [f"{name} {', '.join(f'{s:g}' for s in sorted(found))}" for name, found in shares]
    return fill(f"Not drawn, accuracy below {DRAWN:g}: {'; '.join(named)}", 130) if named else ""


def _draw(
    axes: Axes, pruned: pd.DataFrame, names: list[str], sparsities: list[float], column: str
) -> None:
    for number, sparsity in enumerate(sparsities):
        rows = pruned[pruned["declared_sparsity"] == sparsity]
        heights = [names.index(name) + STEP * (1.5 - number) for name in rows["pruner"]]
        axes.errorbar(
            rows[column],
            heights,
            xerr=rows[f"{column}_std"],
            fmt=MARKS[number],
            color=SHADES[number],
            markersize=5,
            linewidth=1,
            label=f"sparsity {sparsity:g}",
        )
    axes.set_yticks(range(len(names)), names)
    for number in range(len(names) - 1):
        axes.axhline(number + 0.5, color="#eeeeee")
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)


def fingerprint(rows: pd.DataFrame) -> str:
    """SHA-256 of the numbers that the figure shows."""
    columns = [name for column in COLUMNS for name in (column, f"{column}_std")]
    shown = rows[["pruner", "declared_sparsity", *columns]].sort_values(
        ["pruner", "declared_sparsity"]
    )
    return hashlib.sha256(shown.round(6).to_csv(index=False).encode()).hexdigest()


def draw() -> None:
    """Writes the figure of the shipped grid."""
    rows = means(grid_runs())
    PICTURE.write_bytes(png(grid_figure(rows), fingerprint(rows)))


if __name__ == "__main__":
    draw()
