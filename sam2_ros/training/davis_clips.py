"""Training clips from recordings in DAVIS' layout."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.training.data import Sample, SampleSpec, StoredClips, draw_sample
from sam2_ros.training.davis import DatasetError, read_dataset, read_picture

log = logging.getLogger(__name__)

_WINDOW = 16  # annotated frames of a clip


@dataclass(frozen=True)
class _Window:
    """Annotated frames of a sequence; labels (T, S, S) uint8, compressed."""

    images: tuple[Path, ...]
    labels: bytes


class DavisClips(StoredClips):
    """Clips of the annotated frames of a data set in DAVIS' layout, resized to squares of `size` pixels.

    A sequence of fewer than `frames` annotated frames serves for shorter samples. Unusable sequences are logged,
    skipped and counted in `skipped`. Raises DatasetError if there is none of `frames` annotated frames.
    """

    def __init__(self, folder: Path, frames: int = 8, size: int = 256) -> None:
        self.folder, self.size = folder, size
        self.skipped = 0
        self._windows: list[_Window] = []
        for sequence in read_dataset(folder):
            stems = {file.stem for file in sequence.annotations}
            images = tuple(image for image in sequence.images if image.stem in stems)
            try:
                if len(images) < 2:
                    raise DatasetError("only one frame is annotated; expected at least 2")
                labels = np.stack([self._square(each) for each in sequence.labels()])
                for image in images:
                    read_picture(image)
            except DatasetError as error:
                self.skipped += 1
                log.warning("skipped %s: %s", sequence.name, error)
                continue
            length = max(frames, _WINDOW)
            for start in range(0, max(1, len(images) - length + 1), length // 2):
                part = slice(start, start + length)
                self._windows.append(_Window(images[part], zlib.compress(labels[part].tobytes(), 1)))
        if max((len(window.images) for window in self._windows), default=0) < frames:
            raise DatasetError(f"{folder} has no sequence of {frames} annotated frames or more that can be read")

    def __len__(self) -> int:
        return len(self._windows)

    def clip(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames (T, S, S, 3) and labels (T, S, S), both uint8. Raises DatasetError for a file that has become bad."""
        window = self._windows[index]
        square = (self.size, self.size)
        frames = [cv2.resize(read_picture(x), square, interpolation=cv2.INTER_AREA) for x in window.images]
        labels = np.frombuffer(zlib.decompress(window.labels), np.uint8)
        return np.stack(frames), labels.reshape(len(frames), *square)

    def sample(self, rng: np.random.Generator, spec: SampleSpec, absence: bool) -> Sample | None:
        """A random part of a random clip that is long enough; None if it has no object or not the absence.

        Raises DatasetError if no clip is long enough.
        """
        options = [i for i, window in enumerate(self._windows) if len(window.images) >= spec.length]
        if not options:
            raise DatasetError(f"{self.folder} has no sequence of {spec.length} annotated frames or more")
        frames, labels = self.clip(options[int(rng.integers(len(options)))])
        return draw_sample(rng, frames, labels, spec, absence)

    def _square(self, labels: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.resize(labels, (self.size, self.size), interpolation=cv2.INTER_NEAREST))
