"""Histograms of the log-densities that flows give to each image set (the paper's Figure 4)."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.errors import BenchError
from bench.figures import BLUE, GREY, ORANGE, VERMILION, png
from bench.metric_meanings import QUANTILES
from bench.records import Run

COLOURS = (BLUE, VERMILION, ORANGE, GREY)
BEYOND = 0.3  # of the middle 90 % of all sets, drawn on each side of it


def likelihood_png(runs: Sequence[Run]) -> bytes:
    """A panel for each run of a flow: bars of a twentieth of the images each.

    Args:
        runs: At least one.

    Raises:
        BenchError: E-NOT-COMPARABLE if one of them has no densities.
    """
    for run in runs:
        if not _ends(run):
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
    panels[-1].set_xlim(*_range(runs))
    return png(figure)


def _draw(panel: Axes, run: Run) -> None:
    who = run.submission
    panel.set_title(f"{who.slug}: sparsity {who.measured_sparsity or 0:.3g}", fontsize=9)
    panel.set_ylabel("share a nat", fontsize=8)
    panel.tick_params(labelsize=8)
    for (name, ends), colour in zip(_ends(run).items(), COLOURS, strict=False):
        share = 1 / (len(ends) - 1)
        widths = [high - low for low, high in pairwise(ends)]
        heights = [share / width if width > 0 else 0.0 for width in widths]
        panel.stairs(heights, ends, color=colour, fill=True, alpha=0.5, label=name)


def _ends(run: Run) -> dict[str, list[float]]:
    """Set -> its quantiles, ascending; the test set first."""
    found: dict[str, list[float]] = {}
    for score in run.scores:
        if score.task == "likelihood" and score.metric in QUANTILES and score.value is not None:
            found.setdefault(score.set, []).append(score.value)
    return found


def _range(runs: Sequence[Run]) -> tuple[float, float]:
    middle = [end for run in runs for ends in _ends(run).values() for end in ends[1:-1]]
    low, high = min(middle), max(middle)
    return low - BEYOND * (high - low), high + BEYOND * (high - low)
