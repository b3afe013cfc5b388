"""The learning curve of a submission folder, as CSV and as a picture."""

import csv
import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.figures import BLUE, GREY, VERMILION, png
from bench.setting import Epoch

LOSS, ACCURACY, CUT = BLUE, VERMILION, GREY


def curve_csv(curve: Sequence[Epoch]) -> bytes:
    """One line an epoch: phase, epoch, loss, accuracy if it has one, sparsity."""
    text = io.StringIO()
    names = [name for name in Epoch._fields if not curve or getattr(curve[0], name) is not None]
    lines = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    lines.writeheader()
    for row in curve:
        lines.writerow({name: _digits(value) for name, value in row._asdict().items()})
    return text.getvalue().encode()


def _digits(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def curve_png(curve: Sequence[Epoch], title: str) -> bytes:
    """Loss and accuracy on the training images against the epoch; dashed where it was pruned.

    A flow has no accuracy, and its loss is in bits per dimension.
    """
    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    epochs = range(1, len(curve) + 1)
    axes.plot(epochs, [row.loss for row in curve], color=LOSS, marker=".")
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss", color=LOSS)
    _draw_accuracy(axes, curve)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _draw_cuts(axes, curve)
    return png(figure)


def _draw_accuracy(axes: Axes, curve: Sequence[Epoch]) -> None:
    reached = [row.accuracy for row in curve if row.accuracy is not None]
    if not reached:
        axes.set_ylabel("training loss, bits per dimension", color=LOSS)
        return
    right = axes.twinx()
    right.plot(range(1, len(curve) + 1), reached, color=ACCURACY, marker=".")
    right.set_ylabel("training accuracy", color=ACCURACY)


def _draw_cuts(axes: Axes, curve: Sequence[Epoch]) -> None:
    before = (0.0, *(row.sparsity for row in curve))
    for place, (row, earlier) in enumerate(zip(curve, before, strict=False)):
        if row.sparsity > earlier:
            axes.axvline(place + 0.5, color=CUT, linestyle="--", linewidth=1)
            axes.text(
                place + 0.5,
                0.5,
                f"{row.sparsity:.4g}",
                transform=axes.get_xaxis_transform(),
                rotation=90,
                horizontalalignment="right",
                verticalalignment="center",
                fontsize=8,
                color=CUT,
            )
