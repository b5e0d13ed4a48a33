"""A picture of time and memory from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .measure import MEGABYTE, Measurement


def write_plot(measurements: Mapping[str, Measurement], path: Path) -> None:
    """Writes a PNG with a line for every measurement, by its name."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    time, memory = figure.subplots(2, 1, sharex=True)
    for name, measurement in measurements.items():
        frames = np.arange(len(measurement.latencies))
        time.plot(frames, 1e3 * measurement.latencies, linewidth=0.8, label=name)
        memory.plot(frames, (measurement.resident - measurement.resident[0]) / MEGABYTE, linewidth=1.2)
    time.set_ylabel("time (ms)")
    time.set_ylim(bottom=0)
    memory.set_ylabel("memory added since warm-up (MB)")
    memory.set_xlabel("frame")
    for axes in (time, memory):
        axes.grid(color="#d5dade", linewidth=0.6)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(path, dpi=120)
