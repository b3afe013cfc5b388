"""Scores of ordinary images and of a user's own beside each other, as a picture."""

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from bench.alarm import Alarm
from bench.figures import BLUE, GREY, ORANGE, png

ORDINARY, OWN = BLUE, ORANGE
BINS = 40
FAR = 1000.0  # from the smallest to the largest score, from where on the axis is logarithmic


def histogram_png(alarm: Alarm, scores: Tensor, name: str) -> bytes:
    """Shares of held-out training groups and of the user's groups by score, and the threshold.

    Args:
        alarm: The detector.
        scores: (groups,) of the user's images.
        name: Of those.
    """
    parts = {"held-out training images": alarm.held_out.numpy(), name: scores.numpy()}
    every = np.concatenate(list(parts.values()))
    low, high = float(every.min()), float(every.max())
    wide = low > 0 and high > FAR * low
    edges = np.geomspace(low, high, BINS + 1) if wide else np.linspace(low, high, BINS + 1)
    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    for (label, values), colour in zip(parts.items(), (ORDINARY, OWN), strict=True):
        share = np.full(len(values), 1 / len(values))
        axes.hist(values, edges.tolist(), weights=share, color=colour, alpha=0.65, label=label)
    axes.axvline(alarm.threshold, color=GREY, linestyle="--", label="threshold")
    axes.set_xscale("log" if wide else "linear")
    watch = alarm.watch
    axes.set_xlabel(f"{watch.detector}, groups of {watch.batch_size}; higher = more anomalous")
    axes.set_ylabel("share of groups")
    axes.legend(frameon=False, fontsize=8)
    return png(figure)
