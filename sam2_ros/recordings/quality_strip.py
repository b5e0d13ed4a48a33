"""How an object was followed over time, in a number of columns that does not grow."""

from __future__ import annotations

import io
from collections.abc import Mapping
from textwrap import shorten

import numpy as np
from matplotlib.figure import Figure

_COLUMNS = 1024
_MAX_INCHES = 40.0


class QualityStrip:
    """Means of a value over as many frames as fit one column; columns are merged in pairs when they run out."""

    def __init__(self) -> None:
        self.frames_per_column = 1
        self._sums = np.zeros(_COLUMNS)
        self._counts = np.zeros(_COLUMNS, int)

    def add(self, frame: int, value: float) -> None:
        """The value on a frame, numbered from 0; frames without one leave no trace."""
        while frame >= _COLUMNS * self.frames_per_column:
            self._merge()
        column = frame // self.frames_per_column
        self._sums[column] += value
        self._counts[column] += 1

    def means(self, frames: int) -> np.ndarray:
        """Of the first so many frames, which include all that have a value; NaN in columns without one."""
        while frames > _COLUMNS * self.frames_per_column:
            self._merge()
        used = -(-frames // self.frames_per_column)
        counts = self._counts[:used]
        return np.where(counts > 0, self._sums[:used] / np.maximum(counts, 1), np.nan)

    def _merge(self) -> None:
        self.frames_per_column *= 2
        for values in (self._sums, self._counts):
            merged = values.reshape(-1, 2).sum(axis=1)
            values[:] = 0
            values[: len(merged)] = merged


def draw_strips(strips: Mapping[str, QualityStrip], first: int, end: int) -> bytes:
    """A PNG with a row for each name over the frames from `first` to before `end`: green is 1, red is 0."""
    height = min(1.4 + 0.3 * len(strips), _MAX_INCHES)
    figure = Figure(figsize=(10, height), layout="constrained")
    axes = figure.subplots()
    if strips and end > first:
        extent = (first, end, len(strips) - 0.5, -0.5)
        values = np.array([strip.means(end - first) for strip in strips.values()])
        image = axes.imshow(
            values, cmap="RdYlGn", vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=extent
        )
        figure.colorbar(image, label="predicted IoU")
    axes.set_facecolor("#e8e8e8")  # not followed
    axes.set_yticks(range(len(strips)), [shorten(name, 30, placeholder="...") for name in strips], fontsize=8)
    axes.set_xlabel("frame")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
