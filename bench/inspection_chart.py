"""The layers of an inspected network as a picture."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures import BLUE, ORANGE, png
from bench.inspection import Inspection, Layer

ZERO, IDLE, FAINT = BLUE, ORANGE, "#bbbbbb"
TICKS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


def inspection_png(inspection: Inspection, title: str) -> bytes:
    """One bar a layer: blue to its sparsity s, orange from there to its effective sparsity.

    A bar is −log10(1 − s) long, so that 0.99 is twice as far as 0.9 and weights off every path
    are seen in a very sparse layer too. One without a weight reaches the edge. The last bar is
    all layers together.

    Args:
        inspection: Of one layer or more.
        title: Above the bars.

    Returns:
        A PNG 900 pixels wide; equal inspections give equal bytes.
    """
    rows = [*inspection.layers, inspection.total]
    places = [*range(len(rows) - 1), len(rows) - 0.5]
    figure = Figure(figsize=(9, 1.7 + 0.25 * len(rows)), dpi=100, layout="constrained")
    axes = figure.subplots()
    _draw_axis(axes, _edge(rows))
    _draw_bars(axes, rows, places)
    _write_numbers(axes, rows, places)
    axes.axhline(len(rows) - 1.25, color=FAINT, linewidth=0.8)
    axes.set_ylim(places[-1] + 0.6, -0.6)
    axes.set_yticks(places, [row.name for row in rows], fontsize=8)
    axes.set_title(title, fontsize=10, loc="left", pad=18)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return png(figure)


def _length(sparsity: float) -> float:
    return -math.log10(1 - sparsity) if sparsity < 1 else math.inf


def _ends(row: Layer) -> tuple[float, float]:
    """Where the blue and the orange part of a bar end."""
    effective = row.sparsity if row.effective_sparsity is None else row.effective_sparsity
    return _length(row.sparsity), _length(effective)


def _edge(rows: Sequence[Layer]) -> float:
    """Right end of the axis: past the longest bar that ends, at 0.9 or beyond."""
    ends = [end for row in rows for end in _ends(row) if end < math.inf]
    return max([1.0, *ends]) * 1.04


def _draw_axis(axes: Axes, edge: float) -> None:
    shown = [tick for tick in TICKS if _length(tick) <= edge]
    axes.set_xlim(0, edge)
    axes.set_xticks([_length(tick) for tick in shown], [f"{tick:g}" for tick in shown], fontsize=8)
    axes.set_xlabel("sparsity; every further 9 leaves a tenth of the weights", fontsize=9)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_bars(axes: Axes, rows: Sequence[Layer], places: Sequence[float]) -> None:
    edge = axes.get_xlim()[1]
    ends = [tuple(min(end, edge) for end in _ends(row)) for row in rows]
    zero = [first for first, _ in ends]
    axes.barh(places, zero, height=0.75, color=ZERO, label="zero or removed")
    if rows[-1].effective is not None:
        idle = [last - first for first, last in ends]
        label = "nonzero, but on no path from the image to a logit"
        axes.barh(places, idle, left=zero, height=0.75, color=IDLE, label=label)


def _write_numbers(axes: Axes, rows: Sequence[Layer], places: Sequence[float]) -> None:
    columns = {"sparsity": [f"{row.sparsity:.4f}" for row in rows]}
    if rows[-1].effective is not None:
        columns["effective"] = [f"{row.effective_sparsity:.4f}" for row in rows]
    for number, (heading, cells) in enumerate(columns.items()):
        for place, cell in zip([-0.9, *places], [heading, *cells], strict=True):
            axes.text(
                1.08 + 0.09 * number,
                place,
                cell,
                transform=axes.get_yaxis_transform(),
                horizontalalignment="right",
                verticalalignment="center",
                fontsize=8,
            )
