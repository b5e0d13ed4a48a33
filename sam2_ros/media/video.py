"""Reads and writes video files, and writes label images."""

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

from .dynamic_range import BitDepth
from .pictures import write_picture
from .stamps import steady_stamps

log = logging.getLogger(__name__)

DEMO_CLIP = Path(__file__).parents[1] / "demo_data" / "clip.mp4"  # ours, see sam2_ros.synthetic.demo_clip

_DEFAULT_RATE = 30.0  # frames per second of a file without one
_TIME_BASE = Fraction(1, 90_000)  # seconds per tick of the videos written here
_WRITE_ERRORS = (OSError, av.FFmpegError)


class VideoError(ValueError):
    """A video that cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video, by its file."""

    size: tuple[int, int]  # (H, W) pixels, after the rotation that the file specifies
    rate: float  # frames per second, on average
    frames: int  # by its header, 0 if unknown


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
    """Yield every frame (H, W, 3) uint8 RGB with its stamp: seconds since the first frame by the file's clock.

    Stamps increase strictly, see `steady_stamps`. Damaged frames are skipped, with a warning in the log. Raises
    VideoError for a file that is missing, is no video or has no frames.
    """
    with _opened(path) as (container, stream):
        yield from steady_stamps(_decoded(container, stream, path), period=1 / _rate(stream))


class VideoWriter:
    """Writes an H.264 mp4 that browsers play, as a context manager; the first frame sets the size.

    The file can be played even if the process is killed or the disk is full. All methods raise VideoError if it cannot
    be written.
    """

    def __init__(self, path: str | os.PathLike[str], rate: float) -> None:
        """`rate` is in frames per second, for frames without a stamp."""
        if not Path(path).parent.is_dir():
            raise VideoError(f"cannot write {path}; its folder does not exist: create it first")
        self._path = path
        self._period = 1 / rate
        self._shape: tuple[int, ...] = ()
        self._next_stamp = 0.0
        self._container: OutputContainer | None = None
        self._stream: VideoStream

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, rgb: np.ndarray, stamp: float | None = None) -> None:
        """Append a frame (H, W, 3) uint8 RGB of the same size as the first.

        `stamp` is seconds since the first frame (None: one period after the previous frame).
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
        """Finish the file."""
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
        # Fragments make an unfinished file playable; at the end the file becomes an ordinary mp4.
        options = {"movflags": "hybrid_fragmented+frag_keyframe", "flush_packets": "1"}
        try:
            self._container = av.open(os.path.abspath(self._path), "w", format="mp4", options=options)
        except _WRITE_ERRORS as error:
            raise self._failure(error) from error
        self._shape = shape
        rate = Fraction(1 / self._period).limit_denominator(100_000)
        # A fast preset leaves the CPU to the tracker; a fragment ends every two seconds.
        encoding = {"preset": "veryfast", "crf": "22", "bf": "0", "g": str(max(round(2 * rate), 1))}
        self._stream = self._container.add_stream("libx264", rate=rate, options=encoding)
        self._stream.codec_context.time_base = _TIME_BASE
        self._stream.height, self._stream.width = (side + side % 2 for side in shape[:2])
        self._stream.pix_fmt = "yuv420p"

    def _encode(self, frame: av.VideoFrame) -> None:
        assert self._container is not None  # `_start` opened it
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
    """Write a label image (H, W) uint8 as a grey PNG of its values; raises VideoError if it cannot be written."""
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
            f"video {path} cannot be read ({error.strerror}); it is damaged or no video: try it in a video player"
        ) from error
    with container:
        if not container.streams.video:
            raise VideoError(f"video {path} has no video stream, only {', '.join(s.type for s in container.streams)}")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


def _decoded(
    container: InputContainer, stream: VideoStream, path: str | os.PathLike[str]
) -> Iterator[tuple[np.ndarray, float | None]]:
    """Yield frames with the file's times (seconds), None for a frame without one. Raises VideoError without frames."""
    shape: tuple[int, int] | None = None
    depth, is_damaged = BitDepth(), False
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
            yield _upright(_rgb(frame, shape, depth), frame.rotation), frame.time
    if shape is None:
        raise VideoError(f"video {path} has no frames; it is empty or truncated: record it again")
    if is_damaged:
        log.warning("video %s is damaged or truncated; frames that cannot be decoded are skipped", path)


def _rgb(frame: av.VideoFrame, size: tuple[int, int], depth: BitDepth) -> np.ndarray:
    """The frame (H, W, 3) uint8; thermal and industrial cameras may use the lowest bits of 16 only."""
    height, width = size
    if not frame.format.name.startswith("gray16"):
        rgb: np.ndarray = frame.to_ndarray(format="rgb24", height=height, width=width)
    else:
        rgb = cv2.cvtColor(
            depth.to_bytes(frame.to_ndarray(format="gray16le", height=height, width=width)), cv2.COLOR_GRAY2RGB
        )
    return rgb


def _upright(rgb: np.ndarray, rotation: int) -> np.ndarray:
    """The frame after the file's `rotation`, counterclockwise in degrees."""
    return np.ascontiguousarray(np.rot90(rgb, round(rotation / 90)))


def _even(rgb: np.ndarray) -> np.ndarray:
    """The frame with even sides, as H.264 needs: the last row and column are repeated."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        padded: np.ndarray = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        return padded
    return np.ascontiguousarray(rgb)


def _rate(stream: VideoStream) -> float:
    return float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE)
