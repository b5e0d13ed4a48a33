"""The table of a run, and its events as text."""

import csv
import errno
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.media.table import COLUMNS, CsvWriter, TrackRow, describe, read_csv, rows_of, write_csv
from sam2_ros.tracking import Box, Event, EventKind, FrameResult, Track, TrackState

START = 1_700_000_000.0
ROW = TrackRow(START, 7, 3, "cup", TrackState.VISIBLE, 0.97, 0.81, 1200, Box(10, 20, 50, 70))
ABSENT = replace(ROW, stamp=START + 0.1, frame=8, state=TrackState.LOST, presence=0.02, area=0, box=None)


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


def test_rows_are_in_the_file_at_once(tmp_path: Path) -> None:
    with CsvWriter(tmp_path / "tracks.csv") as writer:
        for frame in range(1000):
            writer.write([replace(ROW, frame=frame)])
            assert len((tmp_path / "tracks.csv").read_text().splitlines()) == frame + 2
    assert [row.frame for row in read_csv(tmp_path / "tracks.csv")] == list(range(1000))


def test_a_full_disk_leaves_no_incomplete_row(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with CsvWriter(tmp_path / "tracks.csv") as writer, pytest.raises(OSError) as raised:
            for frame in range(1000):
                writer.write([replace(ROW, frame=frame), replace(ROW, id=4, frame=frame)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "tracks.csv"))
    frames = [row.frame for row in read_csv(tmp_path / "tracks.csv")]
    assert len(frames) > 5
    assert frames == sorted([*range(len(frames) // 2), *range(len(frames) // 2)])


def test_a_result_has_a_row_for_every_track() -> None:
    mask = np.zeros((80, 60), bool)
    tracks = tuple(Track(i, i, "cup", TrackState.VISIBLE, 0.97, 0.81, mask, ROW.box, 1200, START) for i in (3, 4))
    assert rows_of(FrameResult(START, 7, (80, 60), tracks)) == [ROW, replace(ROW, id=4)]
    assert rows_of(FrameResult(START, 7, (80, 60))) == []


def test_an_event_is_described_in_a_line() -> None:
    back = Event(EventKind.REACQUIRED, 3, START + 4.25, absence=1.5)
    assert describe(back, START).strip() == "4.25 s object 3 reacquired after 1.50 s out of view"
    rejected = Event(EventKind.PROMPT_REJECTED, 0, 2.0, reason="click is outside")
    assert describe(rejected).strip() == "2.00 s prompt rejected (click is outside)"
