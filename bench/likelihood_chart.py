"""Histograms of the log-densities that flows give to each image set (the paper's Figure 4)."""

from collections.abc import Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.densities import bars, quantiles_of, window
from bench.errors import BenchError
from bench.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, png
from bench.records import Run

COLOURS = (BLUE, VERMILION, ORANGE, GREY, GREEN, PURPLE)


def likelihood_png(runs: Sequence[Run]) -> bytes:
    """A panel for each run of a flow: bars of a twentieth of the images each.

    Args:
        runs: At least one.

    Raises:
        BenchError: E-NOT-COMPARABLE if one of them has no densities.
    """
    for run in runs:
        if not quantiles_of(run.scores):
            raise BenchError(
                "E-NOT-COMPARABLE", f"run {run.run_id}: is of no flow, so there are no densities"
            )
    figure = Figure(figsize=(7, 0.6 + 2 * len(runs)), dpi=100, layout="constrained")
    panels = figure.subplots(len(runs), 1, sharex=True, squeeze=False)[:, 0]
    for panel, run in zip(panels, runs, strict=True):
        _draw(panel, run)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    panels[-1].set_xlabel("log-density, nats")
    panels[-1].set_xlim(window(ends for run in runs for ends in quantiles_of(run.scores).values()))
    return png(figure)


def _draw(panel: Axes, run: Run) -> None:
    who = run.submission
    panel.set_title(f"{who.slug}: sparsity {who.measured_sparsity or 0:.3g}", fontsize=9)
    panel.set_ylabel("share a nat", fontsize=8)
    panel.tick_params(labelsize=8)
    for (name, ends), colour in zip(quantiles_of(run.scores).items(), cycle(COLOURS)):
        heights = [bar.height for bar in bars(ends)]
        panel.stairs(heights, ends, color=colour, fill=True, alpha=0.5, label=name)
