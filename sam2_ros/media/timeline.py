"""A run as a plot: every object over the time of the images."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..tracking.types import Event, EventKind, TrackState
from .overlay import colour_of
from .table import TrackRow

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
    """Writes a PNG of every object over the time of the images.

    Each has a lane, coloured by state, with its events and its presence (0 at the foot, 1 at the top).
    """
    lanes: dict[int, list[TrackRow]] = defaultdict(list)
    for row in rows:
        lanes[row.id].append(row)
    shown = [event for event in events if event.kind in _MARKERS]
    stamps = [lane[0].stamp for lane in lanes.values()] + [event.stamp for event in shown]
    start = min(stamps, default=0.0)

    figure = Figure(
        figsize=(10, min(1.5 + 0.75 * max(len(lanes), 1), _MAX_INCHES)), layout=ConstrainedLayoutEngine(w_pad=0.1)
    )
    axes = figure.subplots()
    places = {track_id: place for place, track_id in enumerate(sorted(lanes))}
    for track_id, place in places.items():
        _draw_lane(axes, lanes[track_id], start, place)
    for event in shown:
        marker, colour = _MARKERS[event.kind]
        height = places[event.track_id] + _LANE / 2 if event.track_id in places else -0.2  # above all
        axes.plot(event.stamp - start, height, marker, color=colour, markeredgecolor="white", markersize=9, zorder=4)
    _draw_frame(axes, [lanes[track_id][-1] for track_id in places], {event.kind for event in shown})
    figure.savefig(path, dpi=120)


def _draw_lane(axes: Axes, rows: list[TrackRow], start: float, place: int) -> None:
    times = np.array([row.stamp - start for row in rows])
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
    axes.set_xlabel("time of the images (s)")
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
