"""DAVIS' layout: `davis/JPEGImages/<sequence>/*.jpg` and `davis/Annotations/<sequence>/*.png`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sam2_ros.media.pictures import write_picture

from ..problems import Problems
from .common import Labelled

FOLDER, IMAGES, ANNOTATIONS = "davis", "JPEGImages", "Annotations"

_MAX_OBJECTS = 254  # numbers in an annotation


class DavisOutput:
    """A sequence begins with the first frame that shows an object, and anew where the images change their size."""

    def __init__(self, folder: Path, name: str, problems: Problems) -> None:
        self._folder = folder / FOLDER
        self._name = name
        self._problems = problems
        self._size: tuple[int, int] | None = None
        self._sequences = 0

    def write(self, labelled: Labelled) -> None:
        """The frame and its objects' numbers."""
        frame, size = labelled.frame, labelled.frame.rgb.shape[:2]
        if size != self._size:
            if not labelled.visible:
                return
            self._begin(size)
        name = f"{frame.index:06d}"
        write_picture(self._path(IMAGES) / f"{name}.jpg", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
        write_picture(self._path(ANNOTATIONS) / f"{name}.png", self._numbers(labelled))

    def close(self) -> None:
        """Every frame is complete already."""

    def _begin(self, size: tuple[int, int]) -> None:
        self._size = size
        self._sequences += 1
        for kind in (IMAGES, ANNOTATIONS):
            self._path(kind).mkdir(parents=True)

    def _path(self, kind: str) -> Path:
        return self._folder / kind / (self._name if self._sequences == 1 else f"{self._name}_{self._sequences}")

    def _numbers(self, labelled: Labelled) -> np.ndarray:
        """(H, W) uint8: the objects' ids, which are never given twice, unlike values in the label image."""
        numbers = np.zeros(256, np.uint8)
        for track in labelled.visible:
            if track.id <= _MAX_OBJECTS:
                numbers[track.mask_value] = track.id
            else:
                self._problems.add("davis", f"object {track.id} is left out of {FOLDER}/, which holds {_MAX_OBJECTS}")
        labels: np.ndarray = numbers[labelled.result.label_image]
        return labels
