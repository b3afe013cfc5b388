"""Scores of ordinary images and of a user's own beside each other, as a picture."""

import io

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from bench.alarm import Alarm

ORDINARY, OWN, LINE = "#0072b2", "#e69f00", "#333333"
BINS = 40
WIDE = 1000.0  # from the smallest to the largest score, from where on the axis is logarithmic


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
    wide = low > 0 and high > WIDE * low
    edges = np.geomspace(low, high, BINS + 1) if wide else np.linspace(low, high, BINS + 1)
    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    for (label, values), colour in zip(parts.items(), (ORDINARY, OWN), strict=True):
        share = np.full(len(values), 1 / len(values))
        axes.hist(values, edges.tolist(), weights=share, color=colour, alpha=0.65, label=label)
    axes.axvline(alarm.threshold, color=LINE, linestyle="--", label="threshold")
    axes.set_xscale("log" if wide else "linear")
    axes.set_xlabel(f"{alarm.detector}, groups of {alarm.batch_size}; higher = more anomalous")
    axes.set_ylabel("share of groups")
    axes.legend(frameon=False, fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
