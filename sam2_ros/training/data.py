"""Sources of training clips, synthetic ones that are kept on disk, and random samples of clips."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from sam2_ros.files import named_errors
from sam2_ros.synthetic.clip import visible_objects
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.synthetic.scene import render_clip
from sam2_ros.training.davis import DatasetError

_ZOOM_RATE = 0.75  # share of samples that are zoomed onto an object
_SAMPLE_TRIES = 30  # draws of a sample
_ABSENCE_TRIES = 12  # random ranges of frames that are searched for an absence


@dataclass(frozen=True)
class Sample:
    """`frames` (T, S, S, 3) uint8, `masks` (K, T, S, S) bool and `visible` (K, T) bool of K objects."""

    frames: np.ndarray
    masks: np.ndarray
    visible: np.ndarray


@dataclass(frozen=True)
class SampleSpec:
    """A sample of a clip: `length` frames of `size` x `size` pixels with up to `max_objects` objects.

    Most samples are zoomed onto an object, which then covers between the two shares `zoom` of the image. Objects that
    cover less than `min_area` of the first frame are dropped.
    """

    length: int
    size: int
    max_objects: int
    zoom: tuple[float, float] = (0.03, 0.45)
    min_area: float = 0.0


class Clips(Protocol):
    """A source of training samples."""

    def sample(self, rng: np.random.Generator, spec: SampleSpec, absence: bool) -> Sample | None:
        """A random sample, a function of `rng`; with `absence` an object leaves or is occluded in it.

        None if what was drawn has no such part or no object; the next draw may have.
        """

    @property
    def bytes_to_write(self) -> int:
        """Disk space that reading all clips will take."""


def draw(clips: Clips, rng: np.random.Generator, spec: SampleSpec, absence: bool = False) -> Sample:
    """A sample with an absence, or without one if the clips have none. Raises DatasetError if there is none at all."""
    for with_absence in (absence, False):
        for _ in range(_SAMPLE_TRIES):
            sample = clips.sample(rng, spec, with_absence)
            if sample is not None:
                return sample
    raise DatasetError(
        f"none of {_SAMPLE_TRIES} samples of {spec.length} frames had an object that covers {spec.min_area:.1%} of its "
        "first frame: use data with larger objects"
    )


class StoredClips(ABC):
    """Clips by number, of which samples are parts."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of clips."""

    @abstractmethod
    def clip(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames (T, S, S, 3) and labels (T, S, S), both uint8."""

    def sample(self, rng: np.random.Generator, spec: SampleSpec, absence: bool) -> Sample | None:
        """A random part of a random clip; None if it has no object or not the absence."""
        frames, labels = self.clip(int(rng.integers(len(self))))
        return draw_sample(rng, frames, labels, spec, absence)

    @property
    def bytes_to_write(self) -> int:
        """None: recordings are read where they are."""
        return 0


class ClipStore(StoredClips):
    """`count` synthetic clips of series `seed`, rendered at their first use and kept in files below `folder`.

    The last `plain` ones are rendered without cut-outs and animations. A clip is a function of its number, so that
    several processes may fill one store.
    """

    def __init__(
        self, folder: Path, pictures: Pictures, seed: int, count: int, frames: int = 8, size: int = 192, plain: int = 0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.pictures = pictures
        self.seed = seed
        self._first_plain = count - plain
        name = f"{seed}_{frames}x{size}.u8"
        self._frames = _ArrayFile(folder / f"frames_{name}", (count, frames, size, size, 3))
        self._labels = _ArrayFile(folder / f"labels_{name}", (count, frames, size, size))
        self._filled = _ArrayFile(folder / f"filled_{name}", (count, 1))

    def __len__(self) -> int:
        return len(self._filled.rows)

    @property
    def bytes_to_write(self) -> int:
        """Disk space of the clips that are not rendered yet."""
        missing = len(self) - int(np.count_nonzero(self._filled.rows))
        return missing * (self._frames.row_bytes + self._labels.row_bytes)

    def clip(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames (T, S, S, 3) and labels (T, S, S), both uint8. Raises OSError on a full disk."""
        if not self._filled.rows[index]:
            _, frames, size, _ = self._labels.rows.shape
            pictures = self.pictures if index < self._first_plain else Pictures(self.pictures.photographs)
            clip = render_clip(self.seed, index, pictures, frames, size)
            self._frames.write(index, clip.frames)
            self._labels.write(index, clip.labels)
            self._filled.write(index, np.ones(1, np.uint8))
        return self._frames.rows[index], self._labels.rows[index]


class _ArrayFile:
    """A file as an array of uint8 rows; a missing or shorter file is extended with zeros, which take no space.

    Rows are read through a memory map and written by system calls: on a full disk a write to the map would kill the
    process.
    """

    def __init__(self, file: Path, shape: tuple[int, ...]) -> None:
        self._file = file
        self._handle = file.open("a+b")
        self.row_bytes = int(np.prod(shape[1:]))
        if self._handle.tell() < shape[0] * self.row_bytes:
            self._handle.truncate(shape[0] * self.row_bytes)
        self._descriptor = os.open(file, os.O_WRONLY)
        self.rows = np.memmap(self._handle, np.uint8, "r", shape=shape)

    def write(self, index: int, row: np.ndarray) -> None:
        """Write one row. Raises OSError on a full disk."""
        content = memoryview(row.tobytes())
        with named_errors(self._file):
            while content:
                written = os.pwrite(self._descriptor, content, index * self.row_bytes + self.row_bytes - len(content))
                content = content[written:]


def draw_sample(
    rng: np.random.Generator, frames: np.ndarray, labels: np.ndarray, spec: SampleSpec, absence: bool = False
) -> Sample | None:
    """A random part of a clip: cropped, mirrored, recoloured, reversed half of the time.

    Keeps objects that are visible on its first frame; with `absence` one of them leaves or is occluded later, and
    returns if the clip has such a part. None if there is no such part or object, or the clip is too short.
    """
    if len(frames) < spec.length:
        return None
    frame_range = (
        _range_with_absence(rng, labels, spec.length) if absence else _random_range(rng, len(frames), spec.length)
    )
    if frame_range is None:
        return None
    frames, labels = _crop(rng, frames[frame_range.frames], labels[frame_range.frames], spec, frame_range.target)
    return select_objects(rng, frames, labels, spec, frame_range.target)


def select_objects(
    rng: np.random.Generator, frames: np.ndarray, labels: np.ndarray, spec: SampleSpec, target: int | None = None
) -> Sample | None:
    """A sample of all frames, mirrored half of the time and recoloured, with objects of the first frame.

    They are chosen at random, but for `target`, the label of one that is kept first. None without an object.
    """
    if rng.random() < 0.5:
        frames, labels = frames[:, :, ::-1], labels[:, :, ::-1]
    count = int(labels.max())
    if not count:
        return None
    visible = visible_objects(labels, count)
    areas = np.bincount(labels[0].ravel(), minlength=count + 1)[1:]
    present = np.flatnonzero(visible[0] & (areas >= spec.min_area * spec.size**2))
    if not len(present):
        return None
    kept = rng.permutation(present)
    kept = kept[np.argsort(kept + 1 != target, kind="stable")][: spec.max_objects]
    visible = visible[:, kept].T
    masks = (labels[None] == (kept + 1)[:, None, None, None]) & visible[..., None, None]
    return Sample(_recolour(rng, frames), masks, visible)


@dataclass(frozen=True)
class _FrameRange:
    """Frame numbers, and the label of the object that is absent on some of them, if one is meant."""

    frames: np.ndarray
    target: int | None = None


def _random_range(rng: np.random.Generator, available: int, length: int) -> _FrameRange:
    """`length` equidistant frames of the `available` ones, backwards half of the time."""
    step = int(rng.integers(1, max(1, available // length) + 1))
    start = int(rng.integers(available - step * (length - 1)))
    frames = np.arange(start, start + step * length, step)
    return _FrameRange(frames[::-1] if rng.random() < 0.5 else frames)


def _range_with_absence(rng: np.random.Generator, labels: np.ndarray, length: int) -> _FrameRange | None:
    """A range on whose first frame an object is visible that is absent later; one with a return if there is any."""
    visible_on = visible_objects(labels, int(labels.max()))
    without_return: list[_FrameRange] = []
    with_return: list[_FrameRange] = []
    for _ in range(_ABSENCE_TRIES):
        frame_range = _random_range(rng, len(labels), length).frames
        for label in np.flatnonzero(visible_on[frame_range[0]] & ~visible_on[frame_range].all(axis=0)):
            presence = visible_on[frame_range, label].astype(int)
            matching = with_return if (np.diff(presence) > 0).any() else without_return
            matching.append(_FrameRange(frame_range, int(label) + 1))
    options = with_return or without_return
    return options[rng.integers(len(options))] if options else None


def _crop(
    rng: np.random.Generator, frames: np.ndarray, labels: np.ndarray, spec: SampleSpec, target: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The same rectangle of every frame, resized to a square; mostly zoomed onto an object."""
    side = frames.shape[1]
    numbers = np.unique(labels[0][labels[0] > 0]) if target is None else [target]
    if len(numbers) and (target is not None or rng.random() < _ZOOM_RATE):
        ys, xs = np.divmod(np.flatnonzero(labels[0] == rng.choice(numbers)), side)
        share = np.exp(rng.uniform(*np.log(spec.zoom)))
        window, centre = np.sqrt(len(xs) / share), np.array([xs.mean(), ys.mean()])
    else:
        window, centre = side * rng.uniform(0.5, 1.0), rng.uniform(0, side, 2)
    width, height = (int(np.clip(window * rng.uniform(0.8, 1.2), 0.25 * side, side)) for _ in range(2))
    corner = centre - np.array([width, height]) * rng.uniform(0.25, 0.75, 2)
    left, upper = (int(np.clip(at, 0, side - extent)) for at, extent in zip(corner, (width, height)))
    shown = np.s_[upper : upper + height, left : left + width]
    small = [cv2.resize(frame[shown], (spec.size, spec.size), interpolation=cv2.INTER_AREA) for frame in frames]
    marks = [cv2.resize(label[shown], (spec.size, spec.size), interpolation=cv2.INTER_NEAREST) for label in labels]
    return np.stack(small), np.stack(marks)


def _recolour(rng: np.random.Generator, frames: np.ndarray) -> np.ndarray:
    """Random gains and offset, the same on every frame; sometimes permuted channels."""
    if rng.random() < 0.1:
        frames = frames[..., rng.permutation(3)]
    gain = np.exp(rng.normal(0, 0.12, 3) + rng.normal(0, 0.15))
    table = np.clip(np.arange(256)[:, None] * gain + rng.normal(0, 8), 0, 255).astype(np.uint8)
    rows = np.ascontiguousarray(frames).reshape(-1, frames.shape[2], 3)
    recoloured: np.ndarray = cv2.LUT(rows, np.ascontiguousarray(table[:, None])).reshape(frames.shape)
    return recoloured
