"""Recordings of ros2 bag are read without ROS, also where they are split, compressed, cut off or damaged."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from sam2_ros.recordings.bags import Bag, BagError
from sam2_ros.recordings.definitions import UnknownTypeError
from sam2_ros.recordings.problems import Problems

from .recorded import START, detections, images

WriteBag = Callable[..., Path]
FRAMES = [np.full((24, 32, 3), value, np.uint8) for value in range(0, 200, 20)]


def read(bag: Bag, topic: str = "/camera") -> tuple[list[int], list[str]]:
    """The first byte of every image, and the problems; -1 for a damaged message."""
    problems = Problems()
    values = [int(message.data[0]) if message else -1 for _, message in bag.messages(topic, problems)]
    return values, bag.problems.lines + problems.lines


WHOLE = [int(frame[0, 0, 0]) for frame in FRAMES]


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    ],
)
def test_every_storage_and_compression_is_read(
    write_bag: WriteBag, storage: StoragePlugin, compression: CompressionMode
) -> None:
    path = write_bag(*images(FRAMES), storage=storage, compression=compression)
    with Bag(path) as bag:
        assert bag.topics["/camera"].count == len(FRAMES)
        assert read(bag) == (WHOLE, [])


def test_messages_come_with_the_time_of_their_recording_and_their_exact_stamp(write_bag: WriteBag) -> None:
    with Bag(write_bag(*images(FRAMES))) as bag:
        received, message = next(bag.messages("/camera", Problems()))
    assert received == START + 5_000_000
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == divmod(START, 10**9)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_recording_without_metadata_is_read_file_by_file_in_natural_order(
    write_bag: WriteBag, storage: StoragePlugin, tmp_path: Path
) -> None:
    ending = "mcap" if storage is StoragePlugin.MCAP else "db3"
    entries = images(FRAMES)
    split = tmp_path / "split"
    split.mkdir()
    for number, part in ((2, entries[:5]), (10, entries[5:])):
        folder = write_bag(*part, name=f"part{number}", storage=storage)
        shutil.copy(folder / f"part{number}.{ending}", split / f"drive_{number}.{ending}")
    with Bag(split) as bag:
        assert bag.topics["/camera"].count == len(FRAMES)
        assert read(bag) == (WHOLE, [])


def test_a_single_file_is_read(write_bag: WriteBag) -> None:
    with Bag(write_bag(*images(FRAMES)) / "drive.mcap") as bag:
        assert read(bag) == (WHOLE, [])


@pytest.mark.parametrize("compression", [CompressionMode.NONE, CompressionMode.STORAGE])
@pytest.mark.parametrize("share", [0.6, 0.99])
def test_of_an_mcap_file_that_is_cut_off_all_whole_messages_are_read(
    write_bag: WriteBag, compression: CompressionMode, share: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 240, 320, 3), np.uint8)  # more than one chunk
    path = write_bag(*images(noise), compression=compression)
    file = path / "drive.mcap"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with Bag(path) as bag:
        values, problems = read(bag)
    assert values == [int(frame[0, 0, 0]) for frame in noise[: len(values)]]
    assert len(noise) * share - 8 <= len(values) <= len(noise)
    assert any("cut off" in line for line in problems)


def test_an_sqlite_file_that_is_cut_off_is_read_in_part_or_a_clear_error(
    write_bag: WriteBag,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 240, 320, 3), np.uint8)
    path = write_bag(*images(noise), storage=StoragePlugin.SQLITE3)
    file = path / "drive.db3"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    try:
        with Bag(path) as bag:
            _, problems = read(bag)
    except BagError as error:
        problems = [str(error)]
    assert problems
    assert all("\n" not in line and "drive" in line for line in problems)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mcap").write_text("no recording")
    with pytest.raises(BagError, match="text.mcap cannot be read: it is no MCAP file"):
        Bag(tmp_path / "text.mcap")
    (tmp_path / "text.db3").write_text("no recording")
    with pytest.raises(BagError, match="text.db3 cannot be read"):
        Bag(tmp_path / "text.db3")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BagError, match="holds no file of a recording"):
        Bag(tmp_path / "empty")


def test_a_missing_topic_is_an_error_that_lists_the_topics(write_bag: WriteBag) -> None:
    with Bag(write_bag(*images(FRAMES))) as bag, pytest.raises(BagError, match=r"topics are: /camera \(sensor_msgs"):
        bag.topic("/other", ("sensor_msgs/msg/Image",))


def test_a_topic_of_another_type_is_an_error_that_says_which_would_do(write_bag: WriteBag) -> None:
    with (
        Bag(write_bag(*images(FRAMES), detections([], START))) as bag,
        pytest.raises(BagError, match="/detections has the type vision_msgs.*topics of that type: /camera"),
    ):
        bag.topic("/detections", ("sensor_msgs/msg/Image",))


def test_an_unknown_message_definition_is_an_error(write_bag: WriteBag) -> None:
    path = write_bag(*images(FRAMES), storage=StoragePlugin.SQLITE3)
    run_sql(path, "UPDATE topics SET type = 'my_msgs/msg/Picture'")
    with Bag(path / "drive.db3") as bag, pytest.raises(UnknownTypeError, match="unknown type my_msgs/msg/Picture"):
        read(bag)


def test_a_bag_that_stores_no_definitions_as_of_humble_is_read_with_the_common_ones(write_bag: WriteBag) -> None:
    path = write_bag(*images(FRAMES), storage=StoragePlugin.SQLITE3)
    run_sql(path, "DELETE FROM message_definitions")
    with Bag(path) as bag:
        assert read(bag) == (WHOLE, [])


def test_a_damaged_message_is_a_problem_and_the_others_are_read(write_bag: WriteBag) -> None:
    path = write_bag(*images(FRAMES), storage=StoragePlugin.SQLITE3)
    run_sql(path, "UPDATE messages SET data = X'00010000' WHERE id = 3")
    with Bag(path) as bag:
        values, problems = read(bag)
    assert values == [*WHOLE[:2], -1, *WHOLE[3:]]
    assert len(problems) == 1
    assert "a message on /camera is damaged" in problems[0]


def run_sql(path: Path, command: str) -> None:
    with sqlite3.connect(path / "drive.db3") as database:
        database.execute(command)
    database.close()
