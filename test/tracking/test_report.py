"""Tables, timelines and lines of a run."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.tracking import Box, Event, EventKind, FrameResult, Track, TrackState
from sam2_ros.tracking.report import (
    COLUMNS,
    CsvWriter,
    TrackRow,
    describe,
    read_csv,
    rows_of,
    speed_of,
    write_csv,
    write_timeline,
)

START = 1_700_000_000.0
ROW = TrackRow(START, 7, 3, "cup", TrackState.VISIBLE, 0.97, 0.81, 1200, Box(10, 20, 50, 70))
ABSENT = replace(ROW, stamp=START + 0.1, frame=8, state=TrackState.LOST, presence=0.02, area=0, box=None)


def run(track_id: int, states: Iterable[TrackState]) -> list[TrackRow]:
    """An object that has one state after the other, for a second each, at ten frames a second."""
    return [
        replace(ROW, stamp=START + i + j / 10, frame=10 * i + j, id=track_id, state=state)
        for i, state in enumerate(states)
        for j in range(10)
    ]


# ---- the table


def test_a_table_has_a_column_for_everything(tmp_path: Path) -> None:
    write_csv([ROW, ABSENT], tmp_path / "tracks.csv")
    lines = list(csv.reader((tmp_path / "tracks.csv").open()))
    assert tuple(lines[0]) == COLUMNS
    assert lines[1] == [
        *("1700000000.000000000", "7", "3", "cup", "visible", "0.9700", "0.8100", "1200"),
        *("10", "20", "50", "70"),
    ]
    assert lines[2][-4:] == [""] * 4


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows = [ROW, ABSENT, replace(ROW, label='a "cup", of tea\nor coffee'), replace(ROW, label="Täßchen 杯")]
    write_csv(rows, tmp_path / "tracks.csv")
    assert list(read_csv(tmp_path / "tracks.csv")) == rows


def test_rows_are_in_the_file_as_they_come(tmp_path: Path) -> None:
    with CsvWriter(tmp_path / "tracks.csv") as writer:
        for frame in range(1000):
            writer.write([replace(ROW, frame=frame)])
        written = (tmp_path / "tracks.csv").stat().st_size
    assert written > 0
    assert [row.frame for row in read_csv(tmp_path / "tracks.csv")] == list(range(1000))


def test_a_result_has_a_row_for_every_track() -> None:
    mask = np.zeros((80, 60), bool)
    tracks = tuple(Track(i, i, "cup", TrackState.VISIBLE, 0.97, 0.81, mask, ROW.box, 1200, START) for i in (3, 4))
    assert rows_of(FrameResult(START, 7, (80, 60), tracks)) == [ROW, replace(ROW, id=4)]
    assert rows_of(FrameResult(START, 7, (80, 60))) == []


# ---- the timeline


def pixels(path: Path, colour: str) -> int:
    """How many pixels of a PNG have a colour (#rrggbb)."""
    blue_green_red = bytes.fromhex(colour[1:])[::-1]
    return int((cv2.imread(str(path)) == np.frombuffer(blue_green_red, np.uint8)).all(axis=2).sum())


GREEN, YELLOW, RED = "#a6dcca", "#f9da8f", "#eba792"  # visible, occluded, lost


def test_each_state_takes_its_share_of_the_lane(tmp_path: Path) -> None:
    states = [TrackState.VISIBLE] * 3 + [TrackState.OCCLUDED] + [TrackState.LOST] * 2
    path = tmp_path / "timeline.png"
    write_timeline([], [], path)
    legend = pixels(path, GREEN)
    write_timeline(run(1, states), [], path)
    visible, occluded, lost = (pixels(path, colour) - legend for colour in (GREEN, YELLOW, RED))
    assert visible / occluded == pytest.approx(3, rel=0.15)
    assert lost / occluded == pytest.approx(2, rel=0.15)


def test_every_object_has_a_lane(tmp_path: Path) -> None:
    heights = []
    for count in (1, 5):
        rows = [row for track_id in range(1, count + 1) for row in run(track_id, [TrackState.VISIBLE])]
        write_timeline(rows, [], tmp_path / "timeline.png")
        heights.append(len(cv2.imread(str(tmp_path / "timeline.png"))))
    assert heights[1] > heights[0] + 4 * 50


@pytest.mark.parametrize(
    "kind, colour",
    [
        (EventKind.STARTED, "#1b1b1b"),
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
    for events in ([], [Event(kind, track_id, START + 0.5)]):
        write_timeline(rows, events, path)
        counts.append(pixels(path, colour))
    assert counts[1] > counts[0] + 40


def test_a_run_of_one_frame_or_of_nothing_but_an_event_can_be_drawn(tmp_path: Path) -> None:
    write_timeline([ROW], [], tmp_path / "frame.png")
    write_timeline([], [Event(EventKind.PROMPT_REJECTED, 0, START, reason="outside")], tmp_path / "event.png")
    assert (tmp_path / "frame.png").is_file() and (tmp_path / "event.png").is_file()


# ---- lines for people


def test_an_event_is_told_in_a_line() -> None:
    back = Event(EventKind.REACQUIRED, 3, START + 4.25, absence=1.5)
    assert describe(back, START).strip() == "4.25 s object 3 reacquired after 1.50 s out of view"
    rejected = Event(EventKind.PROMPT_REJECTED, 0, 2.0, reason="click is outside")
    assert describe(rejected).strip() == "2.00 s prompt rejected (click is outside)"


def test_speed_is_told_by_rate_median_and_99th_percentile() -> None:
    speed = speed_of([0.1] * 90 + [0.2] * 10)
    assert (speed.frames, speed.rate) == (100, pytest.approx(100 / 11))
    assert (speed.median, speed.p99) == (pytest.approx(0.1), pytest.approx(0.2))
    assert str(speed) == "9.1 frames/s (latency median 100.0 ms, p99 200.0 ms)"


def test_the_speed_of_nothing_is_zero() -> None:
    assert str(speed_of([])) == "0.0 frames/s (latency median 0.0 ms, p99 0.0 ms)"
