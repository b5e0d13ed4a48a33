"""Frames out of video files, and pictures into files."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import imageio_ffmpeg
import numpy as np

DEMO_CLIP = Path(__file__).parents[1] / "demo_data" / "clip.mp4"  # ours, see sam2_ros.training.demo_clip

_USUAL_RATE = 30.0  # frames per second of a file that does not say


class VideoError(ValueError):
    """A file that cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself."""

    size: tuple[int, int]  # (H, W) pixels
    rate: float  # frames per second
    frames: int  # as its header counts them, 0 where it does not


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Size, rate and length of a video; raises VideoError as `read_frames` does."""
    capture = _open(path)
    try:
        first = _next_frame(capture, path)
        return VideoInfo(first.shape[:2], _rate(capture), max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0))
    finally:
        capture.release()


def read_frames(path: str | os.PathLike[str]) -> Iterator[tuple[np.ndarray, float]]:
    """Every frame (H, W, 3) uint8, RGB, with its stamp: seconds from the first frame at the file's rate.

    Raises VideoError for a file that is missing, is no video or has no frames.
    """
    capture = _open(path)
    try:
        period = 1 / _rate(capture)
        frame: np.ndarray | None = _next_frame(capture, path)
        index = 0
        while frame is not None:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), index * period
            frame = capture.read()[1]
            index += 1
    finally:
        capture.release()


class VideoWriter:
    """An H.264 mp4 that browsers play, as a context manager; the first frame sets the size.

    Raises VideoError, here or later, where the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], rate: float) -> None:
        """`rate` in frames per second."""
        if not Path(path).parent.is_dir():
            raise VideoError(f"cannot write {path}; its folder does not exist: make it first")
        self._path = path
        self._rate = rate
        self._size: tuple[int, ...] = ()
        self._encoder: Generator[None, np.ndarray, None] | None = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._encoder is not None:
            self._encoder.close()

    def write(self, rgb: np.ndarray) -> None:
        """Appends a frame (H, W, 3) uint8, of the same size as the first."""
        if self._encoder is None:
            self._size = rgb.shape
            self._encoder = self._start()
        if rgb.shape != self._size:
            raise VideoError(f"frame has shape {rgb.shape}, expected {self._size} as the first one of {self._path}")
        try:
            self._encoder.send(np.ascontiguousarray(rgb))
        except OSError as error:
            raise VideoError(f"cannot write {self._path}; ffmpeg says: {error}") from error

    def _start(self) -> Generator[None, np.ndarray, None]:
        height, width = self._size[:2]
        encoder = imageio_ffmpeg.write_frames(
            str(self._path),
            (width, height),
            fps=self._rate,
            codec="libx264",
            quality=None,
            macro_block_size=1,
            # H.264 wants even sides; the fast preset leaves the processor to the tracker.
            output_params=["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-preset", "veryfast", "-crf", "22"]
            + ["-movflags", "+faststart"],
        )
        encoder.send(None)
        return encoder


def write_labels(path: str | os.PathLike[str], labels: np.ndarray) -> None:
    """A label image (H, W) uint8 as a grey PNG that holds its values; raises VideoError where it cannot be written."""
    if not cv2.imwrite(str(path), labels):
        raise VideoError(f"cannot write {path}; check that its folder exists and has room")


def _open(path: str | os.PathLike[str]) -> cv2.VideoCapture:
    if not Path(path).is_file():
        raise VideoError(f"video {path} does not exist; expected a file such as an mp4")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise VideoError(f"video {path} cannot be read; it is damaged, or no video: try it in a player")
    return capture


def _next_frame(capture: cv2.VideoCapture, path: str | os.PathLike[str]) -> np.ndarray:
    found, frame = capture.read()
    if not found:
        raise VideoError(f"video {path} has no frames; it is empty, or cut off: record it again")
    return frame


def _rate(capture: cv2.VideoCapture) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if rate > 0 else _USUAL_RATE
