"""The first frame with a pixel grid, to read a click's coordinates from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import AutoMinorLocator, MaxNLocator

_WIDTH, _MIN_HEIGHT = 12.0, 3.0  # inches
_MAX_LABELS = 16  # along a side


def write_first_frame(rgb: np.ndarray, path: Path, click: tuple[float, float] | None = None) -> None:
    """Write a PNG of the frame (H, W, 3) uint8 RGB with a labelled grid, and the click (x, y) if given.

    Raises OSError where the file cannot be written.
    """
    height, width = rgb.shape[:2]
    figure = Figure(figsize=(_WIDTH, max(_WIDTH * height / width, _MIN_HEIGHT) + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(rgb)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(_MAX_LABELS, integer=True, steps=[1, 2, 5, 10]))
        axis.set_minor_locator(AutoMinorLocator())
    halo = [withStroke(linewidth=2.2, foreground="black", alpha=0.35)]
    axes.grid(which="major", color="white", linewidth=0.8, alpha=0.8, path_effects=halo)
    axes.grid(which="minor", color="white", linewidth=0.3, alpha=0.5)
    axes.tick_params(labeltop=True, labelright=True)
    title = f"first frame, {width} x {height} pixels: x to the right, y down"
    if click is not None:
        axes.plot(*click, "o", markersize=14, markerfacecolor="none", markeredgecolor="black", markeredgewidth=4)
        axes.plot(*click, "o", markersize=14, markerfacecolor="none", markeredgecolor="yellow", markeredgewidth=2)
        title += f"; the click {click[0]:g},{click[1]:g} is yellow"
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), title=title)
    figure.savefig(path, dpi=100)
