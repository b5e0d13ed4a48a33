"""What a run leaves behind for people: a table of tracks, a picture of them over time, a line on speed."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten
from types import TracebackType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .overlay import colour_of
from .types import Box, Event, EventKind, FrameResult, TrackState

COLUMNS = (
    "stamp",
    "frame",
    "id",
    "label",
    "state",
    "presence",
    "predicted_iou",
    "area",
    "x0",
    "y0",
    "x1",
    "y1",
)


@dataclass(frozen=True)
class TrackRow:
    """One object on one frame, without its mask."""

    stamp: float  # seconds
    frame: int
    id: int
    label: str
    state: TrackState
    presence: float  # 0..1
    predicted_iou: float
    area: int  # pixels
    box: Box | None  # pixels, None where the mask is empty


@dataclass(frozen=True)
class Speed:
    """How fast frames were processed, one after another."""

    frames: int
    mean: float  # seconds per frame
    median: float
    p99: float

    @property
    def rate(self) -> float:
        """Frames per second, 0 where there was none."""
        return 1 / self.mean if self.mean else 0.0

    def __str__(self) -> str:
        return f"{self.rate:.1f} frames/s (latency median {1e3 * self.median:.1f} ms, p99 {1e3 * self.p99:.1f} ms)"


def speed_of(latencies: Sequence[float] | np.ndarray) -> Speed:
    """Of the seconds that each frame took; zeros where there was none."""
    if not len(latencies):
        return Speed(0, 0.0, 0.0, 0.0)
    median, p99 = np.percentile(latencies, (50, 99))
    return Speed(len(latencies), float(np.mean(latencies)), float(median), float(p99))


def rows_of(result: FrameResult) -> list[TrackRow]:
    """The table's rows for one frame."""
    return [
        TrackRow(
            result.stamp,
            result.index,
            track.id,
            track.label,
            track.state,
            track.presence,
            track.predicted_iou,
            track.area,
            track.box,
        )
        for track in result.tracks
    ]


class CsvWriter:
    """Writes rows as they come, so that a stream may go on for days; a context manager."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = open(path, "w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def __enter__(self) -> CsvWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, rows: Iterable[TrackRow]) -> None:
        """Appends rows."""
        self._writer.writerows(_to_text(row) for row in rows)


def write_csv(rows: Iterable[TrackRow], path: str | os.PathLike[str]) -> None:
    """The whole table at once."""
    with CsvWriter(path) as writer:
        writer.write(rows)


def read_csv(path: str | os.PathLike[str]) -> Iterator[TrackRow]:
    """The rows of a table that was written here."""
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            edges = [row[name] for name in ("x0", "y0", "x1", "y1")]
            yield TrackRow(
                stamp=float(row["stamp"]),
                frame=int(row["frame"]),
                id=int(row["id"]),
                label=row["label"],
                state=TrackState(row["state"]),
                presence=float(row["presence"]),
                predicted_iou=float(row["predicted_iou"]),
                area=int(row["area"]),
                box=Box(*map(float, edges)) if all(edges) else None,
            )


def describe(event: Event, start: float = 0.0) -> str:
    """One line for people; times count from `start` (seconds)."""
    parts = [f"{event.stamp - start:8.2f} s"]
    if event.track_id:
        parts.append(f"object {event.track_id}")
    parts.append(event.kind.value.replace("_", " "))
    if event.absence:
        parts.append(f"after {event.absence:.2f} s out of view")
    if event.reason:
        parts.append(f"({event.reason})")
    return " ".join(parts)


def _to_text(row: TrackRow) -> tuple[object, ...]:
    edges = (row.box.x0, row.box.y0, row.box.x1, row.box.y1) if row.box else (None,) * 4
    return (
        f"{row.stamp:.9f}",
        row.frame,
        row.id,
        row.label,
        row.state.value,
        f"{row.presence:.4f}",
        f"{row.predicted_iou:.4f}",
        row.area,
        *("" if edge is None else f"{edge:g}" for edge in edges),
    )


_STATE_COLOURS = {TrackState.VISIBLE: "#a6dcca", TrackState.OCCLUDED: "#f9da8f", TrackState.LOST: "#eba792"}
_MARKERS = {  # shape and colour; that an object is hidden for a moment shows in its lane's colour
    EventKind.STARTED: (">", "#1b1b1b"),
    EventKind.LOST: ("X", "#b3331d"),
    EventKind.REACQUIRED: ("o", "#00664a"),
    EventKind.REMOVED: ("s", "#1b1b1b"),
    EventKind.PROMPT_REJECTED: ("P", "#8b2f8f"),
    EventKind.RESET: ("D", "#1b1b1b"),
}
_LANE = 0.76  # height of a lane, of the distance between two
_MAX_INCHES = 40.0


def write_timeline(rows: Iterable[TrackRow], events: Iterable[Event], path: str | os.PathLike[str]) -> None:
    """Writes a PNG of every object over the time of the images: stamps are seconds from the first image.

    Each has a lane, coloured by state, with its events and its presence (0 at the foot, 1 at the top).
    """
    lanes: dict[int, list[TrackRow]] = defaultdict(list)
    for row in rows:
        lanes[row.id].append(row)
    shown = [event for event in events if event.kind in _MARKERS]

    figure = Figure(
        figsize=(10, min(1.5 + 0.75 * max(len(lanes), 1), _MAX_INCHES)), layout=ConstrainedLayoutEngine(w_pad=0.1)
    )
    axes = figure.subplots()
    places = {track_id: place for place, track_id in enumerate(sorted(lanes))}
    for track_id, place in places.items():
        _draw_lane(axes, lanes[track_id], place)
    for event in shown:
        marker, colour = _MARKERS[event.kind]
        height = places[event.track_id] + _LANE / 2 if event.track_id in places else -0.2  # above all
        axes.plot(event.stamp, height, marker, color=colour, markeredgecolor="white", markersize=9, zorder=4)
    _draw_frame(axes, [lanes[track_id][-1] for track_id in places], {event.kind for event in shown})
    figure.savefig(path, dpi=120)


def _draw_lane(axes: Axes, rows: list[TrackRow], place: int) -> None:
    times = np.array([row.stamp for row in rows])
    period = float(np.median(np.diff(times))) if len(rows) > 1 else 0.0
    ends = np.append(times[1:], times[-1] + period)
    states = [row.state for row in rows]
    changes = [0, *(i for i in range(1, len(rows)) if states[i] != states[i - 1]), len(rows)]
    for first, stop in zip(changes, changes[1:]):
        span = (float(times[first]), float(ends[stop - 1] - times[first]))
        axes.broken_barh([span], (place, _LANE), color=_STATE_COLOURS[states[first]], linewidth=0)
    presence = np.array([row.presence for row in rows])
    axes.plot(times, place + _LANE * (1 - presence), color="#24313a", linewidth=1.2, zorder=3)


def _draw_frame(axes: Axes, objects: list[TrackRow], kinds: set[EventKind]) -> None:
    """Axes, names of the lanes (from one row of each) and legend."""
    axes.set_xlabel("seconds from the first image")
    axes.set_ylim(len(objects) - 0.1, -0.4)
    axes.set_yticks([place + _LANE / 2 for place in range(len(objects))])
    axes.set_yticklabels([shorten(f"{row.id} {row.label}", 24) for row in objects], fontweight="bold")
    for name, row in zip(axes.get_yticklabels(), objects):
        name.set_bbox({"facecolor": np.divide(colour_of(row.id), 255), "edgecolor": "none", "pad": 2.5})
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#d5dade", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    states = [Patch(color=colour, label=state.value) for state, colour in _STATE_COLOURS.items()]
    curve = [Line2D([], [], color="#24313a", linewidth=1.2, label="presence")]
    marks = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=kind.value.replace("_", " "))
        for kind, (marker, colour) in _MARKERS.items()
        if kind in kinds
    ]
    axes.figure.legend(handles=states + curve + marks, loc="outside upper center", ncols=10, frameon=False, fontsize=9)
