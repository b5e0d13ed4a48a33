"""A stream's frames have exact stamps; what is unusual about them is a problem, and the stream continues."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.media.video import VideoWriter
from sam2_ros.recordings.bags import Bag, BagError
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.streams import Frame, bag_stream, media_stream

from .recorded import COMPRESSED, IMAGE, PERIOD, START, Entry, header, images

WriteBag = Callable[..., Path]
FRAMES = [np.full((24, 32, 3), value, np.uint8) for value in range(0, 200, 20)]


def frames_of(path: Path, topic: str = "/camera") -> tuple[list[Frame], list[str]]:
    problems = Problems()
    with Bag(path) as bag:
        return list(bag_stream(bag, topic, problems).frames), problems.lines


def restamped(entries: list[Entry], stamps: dict[int, int]) -> list[Entry]:
    """Some of the messages with other stamps."""
    for index, stamp in stamps.items():
        entries[index].message.header.stamp = header(stamp).stamp
    return entries


@pytest.mark.parametrize("kind", [IMAGE, COMPRESSED])
def test_images_come_in_rgb_with_their_stamps_to_the_nanosecond(write_bag: WriteBag, kind: str) -> None:
    colours = [np.full((24, 32, 3), (value, 10, 200), np.uint8) for value in (0, 50, 100)]
    frames, problems = frames_of(write_bag(*images(colours, kind=kind)))
    assert [frame.stamp for frame in frames] == [START, START + PERIOD, START + 2 * PERIOD]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert frames[0].frame_id == "optical"
    assert [frame.seconds for frame in frames] == pytest.approx([0.0, 0.1, 0.2])
    np.testing.assert_array_equal([frame.rgb for frame in frames], colours)
    assert not problems


def test_a_frame_knows_when_the_next_one_was_recorded(write_bag: WriteBag) -> None:
    frames, _ = frames_of(write_bag(*images(FRAMES[:2])))
    assert frames[0].next_received == frames[1].received == START + PERIOD + 5_000_000
    assert frames[1].next_received > frames[1].received


def test_stamps_that_go_back_keep_all_images_and_are_a_problem(write_bag: WriteBag) -> None:
    entries = restamped(images(FRAMES), {index: START + (index - 6) * PERIOD for index in range(6, 10)})
    frames, problems = frames_of(write_bag(*entries))
    assert len(frames) == len(FRAMES)
    assert frames[6].stamp == START
    assert (np.diff([frame.seconds for frame in frames]) > 0).all()
    assert len(problems) == 1
    assert "the stamp of image 6, 1700000000.123456789 s, is not newer" in problems[0]


def test_an_image_without_a_stamp_has_that_of_its_recording(write_bag: WriteBag) -> None:
    frames, problems = frames_of(write_bag(*restamped(images(FRAMES), {3: 0})))
    assert frames[3].stamp == START + 3 * PERIOD + 5_000_000
    assert "image 3 has no stamp" in problems[0]


def test_an_image_that_cannot_be_read_is_left_out_and_others_keep_their_numbers(write_bag: WriteBag) -> None:
    entries = images(FRAMES, kind=COMPRESSED)
    entries[4].message.data = entries[4].message.data[:20]
    frames, problems = frames_of(write_bag(*entries))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert len(problems) == 1
    assert "/camera: image 4 is left out" in problems[0]


def test_images_that_change_their_size_are_a_problem(write_bag: WriteBag) -> None:
    sizes = [*FRAMES[:2], *(np.zeros((48, 64, 3), np.uint8) for _ in range(2))]
    frames, problems = frames_of(write_bag(*images(sizes)))
    assert [frame.rgb.shape[:2] for frame in frames] == [(24, 32), (24, 32), (48, 64), (48, 64)]
    assert problems == [
        "the images' size changes at image 2 from 32x24 to 64x48; tracking continues as if the view were the same"
    ]


def test_a_topic_without_images_is_refused(write_bag: WriteBag) -> None:
    with Bag(write_bag(*images(FRAMES))) as bag, pytest.raises(BagError, match="no topic /none"):
        bag_stream(bag, "/none", Problems())


def test_a_video_and_a_folder_of_pictures_are_stamped_from_their_first_frame(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", 10.0) as video:
        for frame in FRAMES:
            video.write(frame)
    (tmp_path / "pictures").mkdir()
    for index, frame in enumerate(FRAMES):
        cv2.imwrite(str(tmp_path / "pictures" / f"{index}.png"), frame)
    for path in (tmp_path / "video.mp4", tmp_path / "pictures"):
        stream = media_stream(path, 10.0, Problems())
        assert stream.count == len(FRAMES)
        stamps = [frame.stamp for frame in stream.frames]
        np.testing.assert_allclose(stamps, np.arange(len(FRAMES)) * PERIOD, atol=20_000)


def test_of_many_problems_of_one_kind_the_first_is_kept_and_the_others_counted() -> None:
    problems = Problems()
    for index in range(1000):
        problems.add("image", f"image {index} is bad")
    problems.add("stamp", "a stamp is bad")
    assert problems.lines == ["image 0 is bad (and 999 more like this)", "a stamp is bad"]
