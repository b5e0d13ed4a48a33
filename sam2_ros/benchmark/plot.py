"""Plots of time and memory: against objects, against the input size, or over the frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .measure import VariantResult
from .memory import MEGABYTE
from .table import BenchmarkRun

_TITLE_WIDTH = 110  # characters
_LONG = 1000  # frames from which on single ones cannot be distinguished


def write_plot(runs: Sequence[BenchmarkRun], path: Path, conditions: str) -> None:
    """Write a PNG: against objects if there are several counts, else against several sizes, else over the frames.

    The title states the conditions (model and machine) and input sizes, the legend the variants and their precisions.
    """
    several_sizes = len({run.image_size for run in runs}) > 1
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    if len({run.objects for run in runs}) > 1:
        _against(runs, lambda run: run.objects, lambda run: f", input {run.image_size}" if several_sizes else "", axes)
        axes[1].set_xlabel("objects")
    elif several_sizes:
        _against(runs, lambda run: run.image_size, lambda _: "", axes)
        axes[1].set_xlabel("side of the input (pixels)")
    else:
        _over_frames(runs[0], axes)
        axes[1].set_xlabel("frame")
    axes[0].set_ylabel("time per frame (ms)")
    for each in axes:
        each.set_ylim(bottom=0)
        each.grid(color="#d5dade", linewidth=0.6)
        each.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle("\n".join(wrap(title(runs, conditions), _TITLE_WIDTH)), fontsize=9)
    figure.savefig(path, dpi=100)


def title(runs: Sequence[BenchmarkRun], conditions: str) -> str:
    """The plot's title: everything that does not vary within the plot."""
    sizes = sorted({run.image_size for run in runs})
    objects = sorted({run.objects for run in runs})
    parts = [conditions, f"input {', '.join(f'{size} x {size}' for size in sizes)}"]
    if len(objects) == 1:
        parts.append(f"{objects[0]} object{'s' if objects[0] > 1 else ''}")
    names = {name for run in runs for name in run.results}
    if len(names) == 1:
        parts.append(names.pop())
    return ", ".join(parts)


def _against(
    runs: Sequence[BenchmarkRun],
    x_of: Callable[[BenchmarkRun], int],
    suffix: Callable[[BenchmarkRun], str],
    axes: Sequence[Axes],
) -> None:
    """A line for each variant and suffix."""
    lines: dict[str, list[tuple[int, VariantResult]]] = {}
    for run in runs:
        for name, result in run.results.items():
            lines.setdefault(name + suffix(run), []).append((x_of(run), result))
    for label, points in lines.items():
        points.sort(key=lambda point: point[0])
        x = [x for x, _ in points]
        axes[0].plot(x, [1e3 * result.speed.median for _, result in points], "o-", markersize=4, label=label)
        axes[1].plot(x, [result.peak / MEGABYTE for _, result in points], "o-", markersize=4)
    axes[1].set_xticks(sorted({x_of(run) for run in runs}))
    axes[1].set_ylabel("peak memory (MB)")


def _over_frames(run: BenchmarkRun, axes: Sequence[Axes]) -> None:
    """A line for each variant; long runs by the medians of a hundred spans of frames."""
    for name, result in run.results.items():
        count = len(result.latencies)
        span = count // 100 if count >= _LONG else 1
        frames = np.arange(count // span) * span
        label = name if span == 1 else f"{name}, medians of {span} frames"
        axes[0].plot(frames, _medians(1e3 * result.latencies, span), linewidth=1.0, label=label)
        axes[1].plot(frames, _medians(result.memory / MEGABYTE, span), linewidth=1.2)
    axes[1].set_ylabel("memory (MB)")


def _medians(values: np.ndarray, span: int) -> np.ndarray:
    """The median of each `span` values, without an incomplete span at the end."""
    count = len(values) // span
    medians: np.ndarray = np.median(values[: count * span].reshape(count, span), axis=1)
    return medians
