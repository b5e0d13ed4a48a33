"""Frames out of video files, and pictures into files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from .pictures import write_picture
from .stamps import steady_stamps

log = logging.getLogger(__name__)

DEMO_CLIP = Path(__file__).parents[1] / "demo_data" / "clip.mp4"  # ours, see sam2_ros.synthetic.demo_clip

_DEFAULT_RATE = 30.0  # frames per second of a file without one
_TIME_BASE = Fraction(1, 90_000)  # seconds per tick of the videos written here
_WRITE_ERRORS = (OSError, av.FFmpegError)


class VideoError(ValueError):
    """A file that cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself."""

    size: tuple[int, int]  # (H, W) pixels, as shown: rotated if the file says so
    rate: float  # frames per second, on average
    frames: int  # by its header, 0 if that has no count


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Size, rate and length of a video; raises VideoError as `read_frames` does."""
    with _opened(path) as (container, stream):
        rate = _rate(stream)
        # The header of an unfinished mp4 counts the frames of its first fragment only.
        estimate = round(rate * (container.duration or 0) / av.time_base)
        frames = max(stream.frames, estimate) if stream.frames else 0
        first, _ = next(_decoded(container, stream, path))
        return VideoInfo(first.shape[:2], rate, frames)


def read_frames(path: str | os.PathLike[str]) -> Iterator[tuple[np.ndarray, float]]:
    """Every frame (H, W, 3) uint8, RGB, with its stamp: seconds from the first frame by the file's own clock.

    Stamps increase strictly, whatever the file says. Damaged frames are left out, with a warning in the log. Raises
    VideoError for a file that is missing, is no video or has no frames.
    """
    with _opened(path) as (container, stream):
        yield from steady_stamps(_decoded(container, stream, path), period=1 / _rate(stream))


class VideoWriter:
    """An H.264 mp4 that browsers play, as a context manager; the first frame sets the size.

    What has been written can be played even if the process is killed or the disk is full. Raises VideoError, here or
    later, if the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], rate: float) -> None:
        """`rate` in frames per second, for frames that come without a stamp."""
        if not Path(path).parent.is_dir():
            raise VideoError(f"cannot write {path}; its folder does not exist: make it first")
        self._path = path
        self._period = 1 / rate
        self._shape: tuple[int, ...] = ()
        self._next_stamp = 0.0
        self._container: OutputContainer | None = None
        self._stream: VideoStream

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, rgb: np.ndarray, stamp: float | None = None) -> None:
        """Appends a frame (H, W, 3) uint8, of the same size as the first.

        `stamp` is seconds from the first frame (None: one period after the frame before).
        """
        if self._container is None:
            self._start(rgb.shape)
        if rgb.shape != self._shape:
            raise VideoError(f"frame has shape {rgb.shape}, expected {self._shape} as the first one of {self._path}")
        stamp = self._next_stamp if stamp is None else stamp
        self._next_stamp = stamp + self._period
        frame = av.VideoFrame.from_ndarray(_even(rgb), format="rgb24")
        frame.time_base, frame.pts = _TIME_BASE, round(stamp / _TIME_BASE)
        frame.duration = round(self._period / _TIME_BASE)
        self._encode(frame)

    def close(self) -> None:
        """Ends the file."""
        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            for packet in self._stream.encode(None):
                container.mux(packet)
        except _WRITE_ERRORS as error:
            raise self._failure(error) from error
        finally:
            self._close(container)

    def _start(self, shape: tuple[int, ...]) -> None:
        # Fragments are what makes an unfinished file playable; the whole file becomes an ordinary mp4 at the end.
        options = {"movflags": "hybrid_fragmented+frag_keyframe", "flush_packets": "1"}
        try:
            self._container = av.open(os.path.abspath(self._path), "w", format="mp4", options=options)
        except _WRITE_ERRORS as error:
            raise self._failure(error) from error
        self._shape = shape
        rate = Fraction(1 / self._period).limit_denominator(100_000)
        # The fast preset leaves the processor to the tracker; a fragment ends every two seconds.
        encoding = {"preset": "veryfast", "crf": "22", "bf": "0", "g": str(max(round(2 * rate), 1))}
        self._stream = self._container.add_stream("libx264", rate=rate, options=encoding)
        self._stream.codec_context.time_base = _TIME_BASE
        self._stream.height, self._stream.width = (side + side % 2 for side in shape[:2])
        self._stream.pix_fmt = "yuv420p"

    def _encode(self, frame: av.VideoFrame) -> None:
        assert self._container is not None  # it has been started
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except _WRITE_ERRORS as error:
            container, self._container = self._container, None
            self._close(container)
            raise self._failure(error) from error

    def _close(self, container: OutputContainer) -> None:
        try:
            container.close()
        except _WRITE_ERRORS as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError | av.FFmpegError) -> VideoError:
        return VideoError(f"cannot write {self._path}: {error.strerror}")


def write_labels(path: str | os.PathLike[str], labels: np.ndarray) -> None:
    """A label image (H, W) uint8 as a grey PNG that holds its values; raises VideoError if it cannot be written."""
    try:
        write_picture(path, labels)
    except OSError as error:
        raise VideoError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[InputContainer, VideoStream]]:
    file = Path(path)
    if not file.is_file():
        problem = "is a folder" if file.is_dir() else "is no ordinary file" if file.exists() else "does not exist"
        raise VideoError(f"video {path} {problem}, expected a file such as an mp4")
    try:
        container = av.open(os.path.abspath(path))
    except av.FFmpegError as error:
        raise VideoError(
            f"video {path} cannot be read ({error.strerror}); it is damaged, or no video: try it in a player"
        ) from error
    with container:
        if not container.streams.video:
            raise VideoError(f"video {path} has no pictures, only {', '.join(s.type for s in container.streams)}")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


def _decoded(
    container: InputContainer, stream: VideoStream, path: str | os.PathLike[str]
) -> Iterator[tuple[np.ndarray, float | None]]:
    """Frames with the file's own times (seconds), None for a frame without one. Raises VideoError if there are none."""
    shape: tuple[int, int] | None = None
    is_damaged = False
    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except StopIteration:
            break
        except av.FFmpegError:
            is_damaged, frames = True, []
        for frame in frames:
            shape = shape or (frame.height, frame.width)
            rgb = frame.to_ndarray(format="rgb24", height=shape[0], width=shape[1])
            yield _upright(rgb, frame.rotation), frame.time
    if shape is None:
        raise VideoError(f"video {path} has no frames; it is empty, or cut off: record it again")
    if is_damaged:
        log.warning("video %s is damaged or cut off; what cannot be read is left out", path)


def _upright(rgb: np.ndarray, rotation: int) -> np.ndarray:
    """As a player shows it; `rotation` is what the file asks for, counterclockwise in degrees."""
    return np.ascontiguousarray(np.rot90(rgb, round(rotation / 90)))


def _even(rgb: np.ndarray) -> np.ndarray:
    """H.264 needs even sides; the last row and column are doubled."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        return cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(rgb)


def _rate(stream: VideoStream) -> float:
    return float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE)
