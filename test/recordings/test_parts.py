"""A recording with long gaps is read in parts, which together have every image, prompt and detection once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from sam2_ros.recordings.bags import Bag
from sam2_ros.recordings.parts import WHOLE, Part, parts_of
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.prompts import AtFrame, AtStamp, NewestAt, RecordedDetections
from sam2_ros.recordings.streams import Frame, bag_stream
from sam2_ros.tracking import FrameResult

from .recorded import PERIOD, SECOND, START, Entry, after_gap, detections, header, images

WriteBag = Callable[..., Path]
FRAMES = [np.full((24, 32, 3), value, np.uint8) for value in range(0, 200, 20)]
GAP = 60 * SECOND


def entries_with_gaps(*firsts: int) -> list[Entry]:
    entries = images(FRAMES)
    for first in firsts:
        entries = after_gap(entries, first, GAP)
    return entries


def parts(bag: Bag, seconds: int = 5) -> list[Part]:
    return parts_of(bag, "/camera", seconds * SECOND)


def frames_in(bag: Bag, part: Part) -> list[Frame]:
    stream = bag_stream(bag, "/camera", Problems(), part)
    frames = list(stream.frames)
    assert stream.count == len(frames)
    return frames


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
    ],
)
def test_parts_have_every_image_once_with_its_number_and_a_clock_of_their_own(
    write_bag: WriteBag, storage: StoragePlugin, compression: CompressionMode
) -> None:
    with Bag(write_bag(*entries_with_gaps(4, 7), storage=storage, compression=compression)) as bag:
        whole = frames_in(bag, WHOLE)
        found = [frames_in(bag, part) for part in parts(bag)]
    assert [[frame.index for frame in frames] for frames in found] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    for frame, same in zip(whole, (frame for frames in found for frame in frames)):
        assert (frame.index, frame.stamp, frame.received) == (same.index, same.stamp, same.received)
        np.testing.assert_array_equal(frame.rgb, same.rgb)
    assert [frame.seconds for frame in found[1]] == pytest.approx([0.0, 0.1, 0.2])


def test_a_single_image_between_two_gaps_is_a_part(write_bag: WriteBag) -> None:
    with Bag(write_bag(*entries_with_gaps(4, 5))) as bag:
        assert [[frame.index for frame in frames_in(bag, part)] for part in parts(bag)] == [
            [0, 1, 2, 3],
            [4],
            [5, 6, 7, 8, 9],
        ]


def test_a_bag_that_is_cut_off_is_read_in_parts(write_bag: WriteBag) -> None:
    path = write_bag(*entries_with_gaps(4))
    file = path / "drive.mcap"
    file.write_bytes(file.read_bytes()[:-1000])  # the index
    with Bag(path) as bag:
        assert bag.problems.lines
        found = [frame.index for part in parts(bag) for frame in frames_in(bag, part)]
        assert len(parts(bag)) == 2
    assert found == list(range(len(FRAMES)))


def test_a_shorter_gap_and_stamps_that_go_back_are_no_gap(write_bag: WriteBag) -> None:
    with Bag(write_bag(*entries_with_gaps(4))) as bag:
        assert parts(bag, seconds=61) == [WHOLE]
    entries = images(FRAMES)
    for index in range(6, 10):
        entries[index].message.header.stamp = header(START - GAP + index * PERIOD).stamp
    with Bag(write_bag(*entries, name="back")) as bag:
        assert parts(bag) == [WHOLE]


@pytest.mark.parametrize("offset", [GAP, -GAP])
def test_a_single_stray_stamp_is_no_gap(write_bag: WriteBag, offset: int) -> None:
    entries = images(FRAMES)
    entries[5].message.header.stamp = header(START + 5 * PERIOD + offset).stamp
    with Bag(write_bag(*entries)) as bag:
        assert parts(bag) == [WHOLE]


def test_files_that_overlap_in_time_are_one_part(write_bag: WriteBag, tmp_path: Path) -> None:
    """Nothing could be read from the gap on without images of before."""
    entries = entries_with_gaps(4)
    folder = tmp_path / "split"
    folder.mkdir()
    for number, some in enumerate((entries[:2] + entries[4:], entries[2:4])):
        part = write_bag(*some, name=f"file{number}")
        (part / f"file{number}.mcap").rename(folder / f"drive_{number}.mcap")
    with Bag(folder) as bag:
        assert parts(bag) == [WHOLE]


def test_every_prompt_belongs_to_one_part(write_bag: WriteBag) -> None:
    with Bag(write_bag(*entries_with_gaps(4))) as bag:
        found = parts(bag)
    second = START + 4 * PERIOD + GAP
    moments: dict[int, list[AtFrame | AtStamp | NewestAt]] = {
        0: [
            AtFrame(0),
            AtFrame(3),
            AtStamp(START),
            AtStamp(0),
            AtStamp(second - SECOND),
            NewestAt(second),
            NewestAt(0),
        ],
        1: [AtFrame(4), AtFrame(99), AtStamp(second), AtStamp(second - 500_000), NewestAt(second + 5_000_000)],
    }
    for number, expected in moments.items():
        for moment in expected:
            assert [moment.belongs_to(part) for part in found] == [number == 0, number == 1], moment


def test_every_detection_belongs_to_one_part_however_late_it_was_recorded(write_bag: WriteBag) -> None:
    entries = entries_with_gaps(4)
    boxes = [detections([(1, 2, 20, 20)], START + i * PERIOD + (GAP if i >= 4 else 0)) for i in range(10)]
    late = [Entry(entry.topic, entry.type, entry.received + 2 * GAP, entry.message) for entry in boxes]
    path = write_bag(*entries, *late)
    with Bag(path) as bag:
        found = parts(bag)
    nothing = FrameResult(0.0, 0, (24, 32), ())
    for part, expected in zip(found, (range(4), range(4, 10))):
        problems = Problems()
        with Bag(path) as bag, Bag(path) as apart:
            recorded = RecordedDetections(apart, "/detections", problems, part)
            with_boxes = [f.index for f in frames_in(bag, part) if list(recorded.on(f, nothing))]
            recorded.finish()
        assert with_boxes == list(expected)
        assert not problems.lines
