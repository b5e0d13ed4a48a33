"""SA-V: videos with masklets, run-length masks in a JSON file beside each video (Ravi et al. 2024, section 5)."""

from __future__ import annotations

import json
import logging
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sam2_ros.media.video import VideoError, probe, read_frames
from sam2_ros.optional import require
from sam2_ros.training.data import StoredClips
from sam2_ros.training.davis import DatasetError

log = logging.getLogger(__name__)

_ANNOTATION = "_manual.json"  # <video>_manual.json belongs to <video>.mp4: manual masklets
_FRAME_STEP = 4  # video frames per annotated frame: 24 and 6 per second
_MAX_OBJECTS = 255


def is_sav(folder: Path) -> bool:
    """Whether the folder holds masklets of SA-V."""
    return next(folder.rglob("*" + _ANNOTATION), None) is not None


class SavClips(StoredClips):
    """Clips of `frames` annotated frames of SA-V, resized to squares of `size` pixels.

    Unreadable videos are logged, skipped and counted in `skipped`. Raises DatasetError if nothing remains.
    """

    def __init__(self, folder: Path, frames: int = 8, size: int = 256) -> None:
        require("pycocotools.mask", "reading SA-V", "train")
        self.frames, self.size = frames, size
        self.skipped = 0
        self._clips: list[tuple[Path, int]] = []  # annotation, first annotated frame
        for file in sorted(folder.rglob("*" + _ANNOTATION)):
            try:
                length = _checked_length(file)
                if length < frames:
                    raise DatasetError(f"{file} has {length} annotated frames, expected at least {frames}")
            except (DatasetError, VideoError) as error:
                self.skipped += 1
                log.warning("skipped %s: %s", file.name, error)
                continue
            self._clips += [(file, start) for start in range(0, length - frames + 1, max(1, frames // 2))]
        if not self._clips:
            raise DatasetError(
                f"{folder} has no video with {frames} annotated frames or more that can be read; expected "
                f"<video>.mp4 and <video>{_ANNOTATION}"
            )

    def __len__(self) -> int:
        return len(self._clips)

    def clip(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames (T, S, S, 3) and labels (T, S, S), both uint8. Raises DatasetError for a video that ends early."""
        file, start = self._clips[index]
        stop = start + self.frames
        shown = islice(read_frames(_video_of(file)), start * _FRAME_STEP, (stop - 1) * _FRAME_STEP + 1, _FRAME_STEP)
        square = (self.size, self.size)
        pictures = [cv2.resize(frame, square, interpolation=cv2.INTER_AREA) for frame, _ in shown]
        if len(pictures) < self.frames:
            raise DatasetError(f"{_video_of(file)} ends before its annotations; remove it or download it again")
        labels = [_labels(frame, self.size) for frame in _masklets(file)[start:stop]]
        return np.stack(pictures), np.stack(labels)


def _video_of(annotation: Path) -> Path:
    return annotation.with_name(annotation.name.removesuffix(_ANNOTATION) + ".mp4")


def _masklets(file: Path) -> list[list[dict[str, Any]]]:
    """The run-length masks of the objects, by annotated frame. Raises DatasetError for another file."""
    try:
        masklets = json.loads(file.read_text())["masklet"]
        if not all(len(frame) == len(masklets[0]) <= _MAX_OBJECTS for frame in masklets):
            raise ValueError(f"not as many masks on every frame, or more than {_MAX_OBJECTS}")
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DatasetError(f"{file} is no annotation of SA-V ({error!r})") from error
    return list(masklets)


def _checked_length(file: Path) -> int:
    """The number of annotated frames. Raises DatasetError or VideoError if annotation or video cannot be used."""
    masklets = _masklets(file)
    height, width = probe(_video_of(file)).size
    try:
        shapes = {tuple(_decode(mask).shape) for mask in masklets[0]}
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{file} holds a mask that cannot be decoded ({error!r})") from error
    if shapes != {(height, width)}:
        raise DatasetError(f"the masks of {file} have the shapes {sorted(shapes)}, its video has {(height, width)}")
    return len(masklets)


def _decode(mask: dict[str, Any]) -> np.ndarray:
    """(H, W) uint8 from a run-length mask."""
    return np.asarray(require("pycocotools.mask", "reading SA-V", "train").decode(mask))


def _labels(masks: list[dict[str, Any]], size: int) -> np.ndarray:
    """(S, S) uint8; where objects overlap the smaller one is on top, as it is a part of the larger."""
    decoded = [_decode(mask) for mask in masks]
    labels = np.zeros((size, size), np.uint8)
    for number in np.argsort([-int(mask.sum()) for mask in decoded], kind="stable"):
        small = cv2.resize(decoded[number], (size, size), interpolation=cv2.INTER_NEAREST)
        labels[small > 0] = number + 1
    return labels
