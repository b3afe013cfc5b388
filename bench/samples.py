"""A grid of images drawn from a flow, as a picture."""

import torch
from matplotlib.figure import Figure

from bench.figures import png
from bench.models.glow import Glow

SIDE = 8
TEMPERATURE = 0.7


def samples_png(flow: Glow, generator: torch.Generator, title: str) -> bytes:
    """8 × 8 samples at a temperature of 0.7."""
    images = flow.sample(SIDE**2, generator, TEMPERATURE).cpu()
    channels, height, width = flow.shape
    rows = images.view(SIDE, SIDE, channels, height, width).permute(0, 3, 1, 4, 2)
    grid = rows.reshape(SIDE * height, SIDE * width, channels).expand(-1, -1, 3)
    figure = Figure(figsize=(6, 6.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(grid.numpy(), interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    return png(figure)
