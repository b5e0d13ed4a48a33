"""The frames of one camera of a recording, of a video or of a folder of pictures, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sam2_ros.media.ros_encodings import ImageError
from sam2_ros.media.ros_images import ImageConverter
from sam2_ros.media.sources import Source, open_source
from sam2_ros.media.stamps import steady_stamps

from .parts import WHOLE, Part
from .problems import Problems
from .stamps import NANOSECONDS, seconds_text, stamp_of

if TYPE_CHECKING:
    from .bags import Bag

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")

_PERIOD = 1 / 30  # seconds between images of which the stamps say nothing
_END = 2**63


@dataclass(frozen=True)
class Frame:
    """An image of the stream."""

    index: int  # among the topic's messages or the source's pictures, from 0
    rgb: np.ndarray  # (H, W, 3) uint8
    stamp: int  # as recorded, nanoseconds; of a video from its first frame
    received: int  # when it was recorded, nanoseconds
    frame_id: str = ""
    seconds: float = 0.0  # from the first frame, strictly increasing: the tracker's clock
    next_received: int = _END  # when the next one was recorded


@dataclass(frozen=True)
class Stream:
    """Frames that can be read once."""

    frames: Iterator[Frame]
    count: int  # of messages or pictures, 0 if unknown


def bag_stream(bag: Bag, topic: str, problems: Problems, part: Part = WHOLE) -> Stream:
    """The images of a topic. Those that cannot be read are left out, which is a problem. Raises BagError."""
    count = min(bag.topic(topic, IMAGE_TYPES).count, part.end.index) - part.start.index
    return Stream(_timed(_bag_frames(bag, topic, problems, part), problems), count)


def media_stream(path: Path, rate: float, problems: Problems) -> Stream:
    """A video, or a folder of pictures at `rate` per second. Raises SourceError, VideoError or PictureError."""
    source = open_source(str(path), rate)
    return Stream(_timed(source_frames(source), problems), source.info.frames)


def source_frames(source: Source) -> Iterator[Frame]:
    """The frames of a video, a folder of pictures or a webcam, as soon as each is there."""
    for index, (rgb, seconds) in enumerate(source.frames):
        stamp = round(seconds * NANOSECONDS)
        yield Frame(index, rgb, stamp, stamp, seconds=seconds)


def _bag_frames(bag: Bag, topic: str, problems: Problems, part: Part) -> Iterator[Frame]:
    converter = ImageConverter(warn=lambda text: problems.add("bit depth", text))
    messages = bag.messages(topic, problems, part.start.received, part.end.received)
    for index, (received, message) in enumerate(messages, start=part.start.index):
        if message is None:  # which the bag has reported
            continue
        try:
            rgb = converter.to_rgb(message)
        except ImageError as error:
            problems.add("image", f"{topic}: image {index} is left out: {error}")
            continue
        stamp = stamp_of(message)
        if stamp <= 0:
            problems.add("no stamp", f"{topic}: image {index} has no stamp; the time of its recording is used")
            stamp = received
        yield Frame(index, rgb, stamp, received, message.header.frame_id)


def _timed(frames: Iterable[Frame], problems: Problems) -> Iterator[Frame]:
    """The frames with the tracker's clock and the time of the next frame; notes what is unusual.

    What the source raises is raised after the frames that it gave before.
    """
    errors: list[ValueError] = []
    previous: Frame | None = None
    steady = steady_stamps(_with_seconds(_until_error(frames, errors)), _PERIOD)
    waiting: tuple[Frame, float] | None = None
    for item in chain(steady, [None]):
        if waiting is not None:
            frame, seconds = waiting
            _check(frame, previous, problems)
            previous = frame
            yield replace(frame, seconds=seconds, next_received=item[0].received if item else _END)
        waiting = item
    if errors:
        raise errors[0]


def _until_error(frames: Iterable[Frame], errors: list[ValueError]) -> Iterator[Frame]:
    try:
        yield from frames
    except ValueError as error:
        errors.append(error)


def _with_seconds(frames: Iterable[Frame]) -> Iterator[tuple[Frame, float]]:
    """From the first stamp, for seconds since 1970 leave a float no nanoseconds."""
    start: int | None = None
    for frame in frames:
        start = frame.stamp if start is None else start
        yield frame, (frame.stamp - start) / NANOSECONDS


def _check(frame: Frame, previous: Frame | None, problems: Problems) -> None:
    if previous is None:
        return
    if frame.stamp <= previous.stamp:
        problems.add(
            "stamp",
            f"the stamp of image {frame.index}, {seconds_text(frame.stamp)} s, is not newer than the one before, "
            f"{seconds_text(previous.stamp)} s; tracking continues as if it were",
        )
    if frame.rgb.shape != previous.rgb.shape:
        (height, width), (old_height, old_width) = frame.rgb.shape[:2], previous.rgb.shape[:2]
        problems.add(
            "size",
            f"the images' size changes at image {frame.index} from {old_width}x{old_height} to {width}x{height}; "
            "tracking continues as if the view were the same",
        )
