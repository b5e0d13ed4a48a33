"""Sources of frames without ROS: video files, folders of pictures, webcams."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from .pictures import picture_files, read_pictures
from .video import VideoInfo, probe, read_frames

FOLDER_RATE = 30.0  # pictures per second of a folder where nothing else is said

_BAGS = {".mcap", ".db3"}  # a suffix of compression may follow
_WEBCAM_RATE = 30.0  # frames per second of a webcam that does not report its rate


class SourceError(ValueError):
    """A source that cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """Frames (H, W, 3) uint8 RGB with the seconds since the first one; they can be read once."""

    info: VideoInfo
    frames: Iterator[tuple[np.ndarray, float]]


def open_source(name: str, rate: float) -> Source:
    """A video file, a folder of pictures (shown at `rate` per second), or the number of a webcam.

    Raises SourceError, VideoError or PictureError for anything that cannot be read.
    """
    path = Path(name)
    webcam = re.fullmatch(r"(?:/dev/video)?([0-9]+)", name)
    if webcam and not path.is_file() and not path.is_dir():
        return _webcam(int(webcam[1]))
    if is_bag(path):
        raise SourceError(
            f"{name} is a ROS 2 bag, not a video; label it with `sam2_ros label {name} --topic IMAGE_TOPIC "
            "--prompts FILE`, or play it into the node: start `ros2 launch sam2_ros track.launch.py "
            f"image:=IMAGE_TOPIC`, then `ros2 bag play {name}`"
        )
    if path.suffix == ".bag":
        raise SourceError(
            f"{name} is a ROS 1 bag, not a video; convert it with `rosbags-convert`, then use `sam2_ros label` or "
            "`ros2 bag play`"
        )
    if path.is_dir():
        return _folder(path, rate)
    return Source(probe(path), read_frames(path))


def is_bag(path: Path) -> bool:
    """Whether this is a ROS 2 recording: a file of one, or its folder."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or any(_BAGS & {*file.suffixes} for file in path.iterdir())
    return bool(_BAGS & {*path.suffixes})


def _folder(path: Path, rate: float) -> Source:
    files = picture_files(path)
    pictures = read_pictures(files)
    first = next(pictures)
    stamped = ((rgb, index / rate) for index, rgb in enumerate(chain([first], pictures)))
    return Source(VideoInfo(first.shape[:2], rate, len(files)), stamped)


def _webcam(number: int) -> Source:
    """Frames are stamped with the time at which they were read."""
    device = Path(f"/dev/video{number}")
    if not device.exists():
        found = ", ".join(sorted(camera.name.removeprefix("video") for camera in Path("/dev").glob("video[0-9]*")))
        raise SourceError(f"there is no webcam {number} ({device}); the webcams here are: {found or 'none'}")
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # keep the latest frame where tracking is slower than the webcam
    is_read, first = capture.read()
    if not is_read:
        capture.release()
        raise SourceError(
            f"webcam {number} ({device}) gives no picture; check that no other program uses it, that it is no "
            "metadata device, and that you may read it (group video)"
        )
    rate = capture.get(cv2.CAP_PROP_FPS) or _WEBCAM_RATE
    return Source(VideoInfo(first.shape[:2], rate, 0), _webcam_frames(capture, first))


def _webcam_frames(capture: cv2.VideoCapture, first: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    start = time.monotonic()
    try:
        frame: np.ndarray | None = first
        while frame is not None:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), time.monotonic() - start
            frame = capture.read()[1]
    finally:
        capture.release()
