"""Data sets in DAVIS' layout: JPEGImages/<sequence>/*.jpg, Annotations/<sequence>/*.png; pixel values number objects.

A resolution folder between them, as in DAVIS itself (480p), is found by itself. `look_alikes.json` beside them, where
there is one, names pairs of objects of a sequence that look alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sam2_ros.media import pictures as media
from sam2_ros.synthetic.davis_writer import ANNOTATIONS, IMAGES, LOOK_ALIKES


class DatasetError(ValueError):
    """A data set or a part of it that cannot be used; the message names the file and what was expected."""


@dataclass(frozen=True)
class Sequence:
    """A video with its annotations. `annotations` has a file for every image of `images`, or only for the first."""

    name: str
    images: tuple[Path, ...]
    annotations: tuple[Path, ...]
    look_alikes: tuple[tuple[int, int], ...] = ()

    def frames(self) -> Iterator[np.ndarray]:
        """Every frame (H, W, 3) uint8 RGB. Raises DatasetError for a file that is no image."""
        return map(read_picture, self.images)

    def labels(self) -> np.ndarray:
        """(T, H, W) uint8 of the annotated frames. Raises DatasetError for sizes that do not fit and for no object."""
        labels = [_read_labels(file) for file in self.annotations]
        size = next(self.frames()).shape[:2]
        for file, label in zip(self.annotations, labels):
            if label.shape != size:
                raise DatasetError(f"{file} is {label.shape[1]}x{label.shape[0]}, its frames are {size[1]}x{size[0]}")
        if not labels[0].any():
            raise DatasetError(f"{self.annotations[0]} is empty; expected an object on the first frame")
        return np.stack(labels)


def read_picture(file: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises DatasetError for a file that is no image."""
    image = media.read_picture(file)
    if image is None:
        raise DatasetError(f"{file} is not an image that OpenCV reads")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def read_dataset(folder: Path) -> list[Sequence]:
    """All sequences with annotations. Raises DatasetError where there is none."""
    images, annotations = _sequence_folders(folder / IMAGES), _sequence_folders(folder / ANNOTATIONS)
    alike = json.loads((folder / LOOK_ALIKES).read_text()) if (folder / LOOK_ALIKES).exists() else {}
    sequences = []
    for name in sorted(images.keys() & annotations.keys()):
        pictures = tuple(sorted(images[name].glob("*.jpg")))
        masks = {file.stem: file for file in annotations[name].glob("*.png")}
        matched = tuple(masks[picture.stem] for picture in pictures if picture.stem in masks)
        if pictures and matched and matched[0].stem == pictures[0].stem:
            pairs = tuple((int(a), int(b)) for a, b in alike.get(name, ()))
            sequences.append(Sequence(name, pictures, matched, pairs))
    if not sequences:
        raise DatasetError(
            f"{folder} holds no sequence that is annotated on its first frame; expected "
            f"{IMAGES}/<sequence>/00000.jpg and {ANNOTATIONS}/<sequence>/00000.png"
        )
    return sequences


def _sequence_folders(folder: Path) -> dict[str, Path]:
    """Folders with files in them, by name; the deepest level counts."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist; expected a data set in DAVIS' layout")
    return {path.name: path for path in folder.rglob("*") if path.is_dir() and any(p.is_file() for p in path.iterdir())}


def _read_labels(file: Path) -> np.ndarray:
    """(H, W) uint8: the numbers of a grey or palette PNG, not its colours."""
    try:
        with Image.open(file) as image:
            labels = np.array(image)
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error})") from error
    if labels.ndim != 2:
        raise DatasetError(f"{file} is a colour image; expected one number per pixel")
    labels[labels == 255] = 0  # "ignore" in some data sets
    return labels.astype(np.uint8)
