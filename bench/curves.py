"""The learning curve of a submission folder, as CSV and as a picture."""

import csv
import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.figures import BLUE, GREY, VERMILION, png
from bench.setting import Epoch

LOSS, ACCURACY, CUT = BLUE, VERMILION, GREY


def curve_csv(curve: Sequence[Epoch]) -> bytes:
    """One line an epoch: phase, epoch, loss, accuracy, sparsity."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(Epoch._fields)
    lines.writerows([*row[:2], *(f"{number:.6g}" for number in row[2:])] for row in curve)
    return text.getvalue().encode()


def curve_png(curve: Sequence[Epoch], title: str) -> bytes:
    """Loss and accuracy on the training images against the epoch; dashed where it was pruned."""
    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    right = axes.twinx()
    epochs = range(1, len(curve) + 1)
    axes.plot(epochs, [row.loss for row in curve], color=LOSS, marker=".")
    right.plot(epochs, [row.accuracy for row in curve], color=ACCURACY, marker=".")
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss", color=LOSS)
    right.set_ylabel("training accuracy", color=ACCURACY)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
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
    return png(figure)
