"""Frames with predicted and true masks side by side, with a legend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

_DPI = 100
_LEAST_WIDTH = 4.5  # inches, for the legend
_MARGIN = 0.9  # inches for title and legend

LEGEND = (
    Patch(facecolor=(0.85, 0.15, 0.15), label="predicted mask"),
    Patch(facecolor="white", edgecolor="black", label="contour of the true mask"),
)


def write_side_by_side(file: Path, tiles: Mapping[int, np.ndarray], title: str) -> None:
    """Writes a PNG of frames (H, W, 3) uint8 RGB by number, which predicted (red) and true masks (white) are drawn on.

    Raises OSError where the file cannot be written.
    """
    height, width = next(iter(tiles.values())).shape[:2]
    inches = max(width * len(tiles) / _DPI, _LEAST_WIDTH)
    figure = Figure(figsize=(inches, inches / len(tiles) * height / width + _MARGIN), layout="constrained")
    axes = figure.subplots(1, len(tiles), squeeze=False)[0]
    for each, (number, tile) in zip(axes, tiles.items()):
        each.imshow(tile)
        each.set_title(f"frame {number}", fontsize=9)
        each.set_axis_off()
    figure.suptitle(title, fontsize=10)
    figure.legend(handles=LEGEND, loc="outside lower center", ncols=len(LEGEND), frameon=False, fontsize=9)
    figure.savefig(file, dpi=_DPI)
