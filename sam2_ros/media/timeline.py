"""The timeline of a run: a plot of every object over image time."""

from __future__ import annotations

import io
import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..tracking.types import Event, EventKind, TrackState
from .colours import Colour
from .pictures import write_whole
from .table import TrackRow

_STATE_COLOURS = {TrackState.VISIBLE: "#a6dcca", TrackState.OCCLUDED: "#f9da8f", TrackState.LOST: "#eba792"}
_MARKERS = {  # shape and colour
    EventKind.STARTED: (">", "#1b1b1b"),
    EventKind.OCCLUDED: ("v", "#8a5a00"),
    EventKind.LOST: ("X", "#b3331d"),
    EventKind.REACQUIRED: ("o", "#00664a"),
    EventKind.REMOVED: ("s", "#1b1b1b"),
    EventKind.PROMPT_REJECTED: ("P", "#8b2f8f"),
    EventKind.RESET: ("D", "#1b1b1b"),
}
_PRESENCE_COLOUR = "#24313a"
_LANE = 0.76  # height of a lane, relative to the distance between two
_MAX_INCHES = 40.0
_MAX_SCALES = 50  # lanes beyond which the scales of presence cannot be read


def write_timeline(
    rows: Iterable[TrackRow],
    events: Iterable[Event],
    path: str | os.PathLike[str],
    colours: Mapping[int, Colour],
) -> None:
    """Write a PNG of every object over image time; stamps are seconds since the first image.

    Each object has a lane, coloured by state, with its events and its presence (0 at the bottom, 1 at the top), and its
    name on the object's colour, if it has one. Raises OSError that names the file.
    """
    lanes: dict[int, list[TrackRow]] = defaultdict(list)
    for row in rows:
        lanes[row.id].append(row)
    track_ids = sorted(lanes)
    shown = [event for event in events if event.kind in _MARKERS]

    figure = Figure(
        figsize=(10, min(1.5 + 0.75 * max(len(lanes), 1), _MAX_INCHES)), layout=ConstrainedLayoutEngine(w_pad=0.1)
    )
    axes = figure.subplots()
    positions = {track_id: position for position, track_id in enumerate(track_ids)}
    for track_id, position in positions.items():
        _draw_lane(axes, lanes[track_id], position)
    for event in shown:
        marker, colour = _MARKERS[event.kind]
        height = positions[event.track_id] + _LANE / 2 if event.track_id in positions else -0.2  # above all
        axes.plot(event.stamp, height, marker, color=colour, markeredgecolor="white", markersize=9, zorder=4)
    _draw_frame(axes, [lanes[track_id][-1] for track_id in track_ids], colours)
    _draw_presence_scales(axes, len(track_ids))
    _draw_legend(figure, {event.kind for event in shown})
    _save(figure, path)


def _draw_lane(axes: Axes, rows: Sequence[TrackRow], position: int) -> None:
    times = np.array([row.stamp for row in rows])
    period = float(np.median(np.diff(times))) if len(rows) > 1 else 0.0
    ends = np.append(times[1:], times[-1] + period)
    states = [row.state for row in rows]
    changes = [0, *(i for i in range(1, len(rows)) if states[i] != states[i - 1]), len(rows)]
    for first, stop in itertools.pairwise(changes):
        span = (float(times[first]), float(ends[stop - 1] - times[first]))
        axes.broken_barh([span], (position, _LANE), color=_STATE_COLOURS[states[first]], linewidth=0)
    presence = np.array([row.presence for row in rows])
    axes.plot(times, position + _LANE * (1 - presence), color=_PRESENCE_COLOUR, linewidth=1.2, zorder=3)


def _draw_frame(axes: Axes, objects: Sequence[TrackRow], colours: Mapping[int, Colour]) -> None:
    """Draw axes and the names of the lanes, from one row of each object."""
    axes.set_xlabel("time since the first image (s)")
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_ylim(len(objects) - 0.1, -0.4)
    axes.set_yticks([position + _LANE / 2 for position in range(len(objects))])
    axes.set_yticklabels([shorten(f"{row.id} {row.label}", 24) for row in objects], fontweight="bold")
    for name, row in zip(axes.get_yticklabels(), objects):
        if row.id in colours:
            background = np.divide(colours[row.id], 255)
            name.set_bbox({"facecolor": background, "edgecolor": "none", "pad": 2.5})
            name.set_color("black" if background @ (0.299, 0.587, 0.114) > 0.45 else "white")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#d5dade", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)


def _draw_presence_scales(axes: Axes, lanes: int) -> None:
    """Draw a scale from 0 to 1 at the right of each lane."""
    if not 0 < lanes <= _MAX_SCALES:
        return
    scale = axes.twinx()
    scale.set_ylim(axes.get_ylim())
    ticks = [(position + _LANE * (1 - value), f"{value:g}") for position in range(lanes) for value in (0, 0.5, 1)]
    scale.set_yticks([height for height, _ in ticks])
    scale.set_yticklabels([label for _, label in ticks], fontsize=6, color=_PRESENCE_COLOUR)
    scale.set_ylabel("presence", fontsize=8, color=_PRESENCE_COLOUR)
    scale.tick_params(axis="y", length=2, color=_PRESENCE_COLOUR)
    scale.spines[:].set_visible(False)


def _draw_legend(figure: Figure, kinds: set[EventKind]) -> None:
    states = [Patch(color=colour, label=state.value) for state, colour in _STATE_COLOURS.items()]
    curve = [Line2D([], [], color=_PRESENCE_COLOUR, linewidth=1.2, label="presence")]
    marks = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=_event_name(kind))
        for kind, (marker, colour) in _MARKERS.items()
        if kind in kinds
    ]
    figure.legend(handles=states + curve + marks, loc="outside upper center", ncols=6, frameon=False, fontsize=9)


def _event_name(kind: EventKind) -> str:
    """The event's name in the legend, different from the state of the same name."""
    return f"becomes {kind.value}" if kind.value in {s.value for s in TrackState} else kind.value.replace("_", " ")


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_whole(path, content.getvalue())
