"""The timeline of a run."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.media.table import TrackRow
from sam2_ros.media.timeline import write_timeline
from sam2_ros.tracking import Box, Event, EventKind, TrackState

COLOURS = {i: (10 * i, 250, 250) for i in range(1, 6)}
ROW = TrackRow(0.0, 7, 3, "cup", TrackState.VISIBLE, 0.97, 0.81, 1200, Box(10, 20, 50, 70))


def run(track_id: int, states: Iterable[TrackState]) -> list[TrackRow]:
    """An object that has one state after the other, for a second each, at ten frames a second."""
    return [
        replace(ROW, stamp=i + j / 10, frame=10 * i + j, id=track_id, state=state)
        for i, state in enumerate(states)
        for j in range(10)
    ]


def read(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 BGR"""
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture


def pixels(path: Path, colour: str) -> int:
    """How many pixels of a PNG have a colour (#rrggbb)."""
    blue_green_red = bytes.fromhex(colour[1:])[::-1]
    return int((read(path) == np.frombuffer(blue_green_red, np.uint8)).all(axis=2).sum())


GREEN, YELLOW, RED = "#a6dcca", "#f9da8f", "#eba792"  # visible, occluded, lost


def test_a_lane_has_the_states_in_proportion_to_their_durations(tmp_path: Path) -> None:
    states = [TrackState.VISIBLE] * 3 + [TrackState.OCCLUDED] + [TrackState.LOST] * 2
    path = tmp_path / "timeline.png"
    write_timeline([], [], path, COLOURS)
    legend = pixels(path, GREEN)
    write_timeline(run(1, states), [], path, COLOURS)
    visible, occluded, lost = (pixels(path, colour) - legend for colour in (GREEN, YELLOW, RED))
    assert visible / occluded == pytest.approx(3, rel=0.15)
    assert lost / occluded == pytest.approx(2, rel=0.15)


def test_every_object_has_a_lane(tmp_path: Path) -> None:
    heights = []
    for count in (1, 5):
        rows = [row for track_id in range(1, count + 1) for row in run(track_id, [TrackState.VISIBLE])]
        write_timeline(rows, [], tmp_path / "timeline.png", COLOURS)
        heights.append(len(read(tmp_path / "timeline.png")))
    assert heights[1] > heights[0] + 4 * 50


@pytest.mark.parametrize(
    ("kind", "colour"),
    [
        (EventKind.STARTED, "#1b1b1b"),
        (EventKind.OCCLUDED, "#8a5a00"),
        (EventKind.LOST, "#b3331d"),
        (EventKind.REACQUIRED, "#00664a"),
        (EventKind.REMOVED, "#1b1b1b"),
        (EventKind.PROMPT_REJECTED, "#8b2f8f"),
        (EventKind.RESET, "#1b1b1b"),
    ],
)
@pytest.mark.parametrize("track_id", [1, 0])
def test_events_are_marked(kind: EventKind, colour: str, track_id: int, tmp_path: Path) -> None:
    rows, path = run(1, [TrackState.VISIBLE]), tmp_path / "timeline.png"
    counts = []
    for events in ([], [Event(kind, track_id, 0.5)]):
        write_timeline(rows, events, path, COLOURS)
        counts.append(pixels(path, colour))
    assert counts[1] > counts[0] + 40


def test_the_name_of_an_object_is_on_its_colour(tmp_path: Path) -> None:
    path = tmp_path / "timeline.png"
    write_timeline(run(1, [TrackState.VISIBLE]), [], path, {1: (12, 34, 56)})
    assert pixels(path, "#0c2238") > 100
    write_timeline(run(1, [TrackState.VISIBLE]), [], path, {2: (12, 34, 56)})
    assert pixels(path, "#0c2238") == 0


def test_time_starts_at_the_first_image(tmp_path: Path) -> None:
    """An object that starts late has its lane at the right."""
    path = tmp_path / "timeline.png"
    columns = []
    for late in (0.0, 2.0):
        rows = [replace(row, stamp=row.stamp + late) for row in run(1, [TrackState.VISIBLE])]
        write_timeline(rows, [], path, {})
        lane = (read(path)[150:] == (0xCA, 0xDC, 0xA6)).all(axis=2).any(axis=0)
        columns.append(np.flatnonzero(lane))
    assert columns[1][0] > columns[0][0] + 400


def test_each_lane_has_a_scale_of_presence(tmp_path: Path) -> None:
    counts = []
    for lanes in (0, 1, 4):
        rows = [row for i in range(lanes) for row in run(i + 1, [TrackState.VISIBLE])]
        write_timeline(rows, [], tmp_path / "timeline.png", {})
        right = read(tmp_path / "timeline.png")[80:-70, -60:]
        counts.append((right.min(axis=2) < 128).sum())
    assert counts[0] == 0 < counts[1] < counts[2]


def test_a_timeline_that_cannot_be_written_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(OSError) as raised:
        write_timeline([], [], tmp_path / "nowhere" / "timeline.png", {})
    assert raised.value.filename == str(tmp_path / "nowhere" / "timeline.png")


def test_runs_of_one_frame_or_of_events_alone_can_be_drawn(tmp_path: Path) -> None:
    write_timeline([ROW], [], tmp_path / "frame.png", COLOURS)
    write_timeline([], [Event(EventKind.PROMPT_REJECTED, 0, 0.0, reason="outside")], tmp_path / "event.png", COLOURS)
    assert (tmp_path / "frame.png").is_file() and (tmp_path / "event.png").is_file()
