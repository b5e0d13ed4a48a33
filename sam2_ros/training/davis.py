"""Data sets in DAVIS' layout: JPEGImages/<sequence>/*.jpg, Annotations/<sequence>/*.png; pixel values number objects.

Images may be JPEG or PNG. Where the only values are 0 and 255, as in DAVIS 2016, 255 is one object; else it is ignored.

A resolution folder between them, as in DAVIS itself (480p), is found automatically. An optional `look_alikes.json`
beside them names pairs of objects of a sequence that look alike.
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

ENDINGS = {".jpg", ".jpeg", ".png"}
_VOID = 255  # "ignore" in most data sets
_LAYOUT = f"a data set in DAVIS' layout: {IMAGES}/<sequence>/00000.jpg and {ANNOTATIONS}/<sequence>/00000.png"


class DatasetError(ValueError):
    """An unusable data set or part of one; the message names the file and what was expected."""


@dataclass(frozen=True)
class Sequence:
    """A video with its annotations. `annotations` has a file for every image of `images`, or only for the first."""

    name: str
    images: tuple[Path, ...]
    annotations: tuple[Path, ...]
    look_alikes: tuple[tuple[int, int], ...] = ()

    def frames(self) -> Iterator[np.ndarray]:
        """Every frame (H, W, 3) uint8 RGB. Raises DatasetError for a file that is no image, or of another size."""
        size = None
        for file in self.images:
            frame = read_picture(file)
            size = size or frame.shape
            if frame.shape != size:
                raise DatasetError(f"{file} is {_size_of(frame)}, the first frame is {size[1]}x{size[0]}")
            yield frame

    def labels(self) -> np.ndarray:
        """(T, H, W) uint8 of the annotated frames. Raises DatasetError for sizes that do not fit and for no object."""
        labels = [read_labels(file) for file in self.annotations]
        frame = next(self.frames())
        for file, label in zip(self.annotations, labels):
            if label.shape != frame.shape[:2]:
                raise DatasetError(f"{file} is {_size_of(label)}, its frames are {_size_of(frame)}")
        stacked = without_void(np.stack(labels))
        if not stacked[0].any():
            raise DatasetError(f"{self.annotations[0]} is empty; expected an object on the first frame")
        return stacked


def without_void(labels: np.ndarray) -> np.ndarray:
    """The labels without 255: it is object 1 if it is the only number, as in DAVIS 2016, else it is ignored."""
    only_void = set(np.unique(labels)) <= {0, _VOID}
    return np.where(labels == _VOID, np.uint8(only_void), labels)


def read_picture(file: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises DatasetError for a file that is no image."""
    try:
        image = media.read_picture(file)
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror})") from error
    if image is None:
        raise DatasetError(f"{file} is not an image that OpenCV reads")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def read_dataset(folder: Path) -> list[Sequence]:
    """All sequences with annotations. Raises DatasetError where there is none."""
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder} is a file; expected {_LAYOUT}")
    images, annotations = _sequence_folders(folder / IMAGES), _sequence_folders(folder / ANNOTATIONS)
    alike = _read_look_alikes(folder / LOOK_ALIKES)
    sequences = []
    for name in sorted(images.keys() & annotations.keys()):
        pictures = tuple(file for file in sorted(images[name].iterdir()) if file.suffix.lower() in ENDINGS)
        masks = {file.stem: file for file in annotations[name].glob("*.png")}
        matched = tuple(masks[picture.stem] for picture in pictures if picture.stem in masks)
        if pictures and matched and matched[0].stem == pictures[0].stem:
            sequences.append(Sequence(name, pictures, matched, alike.get(name, ())))
    if not sequences:
        raise DatasetError(f"{folder} holds no sequence that is annotated on its first frame; expected {_LAYOUT}")
    return sequences


def _sequence_folders(folder: Path) -> dict[str, Path]:
    """Folders with files in them, by name; the deepest level counts."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist; expected {_LAYOUT}")
    return {path.name: path for path in folder.rglob("*") if path.is_dir() and any(p.is_file() for p in path.iterdir())}


def _read_look_alikes(file: Path) -> dict[str, tuple[tuple[int, int], ...]]:
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text())
        return {name: tuple((int(a), int(b)) for a, b in pairs) for name, pairs in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f'{file} cannot be read ({error}); expected {{"<sequence>": [[1, 2], ...], ...}}') from error


def read_labels(file: Path) -> np.ndarray:
    """(H, W) uint8: the numbers of a grey or palette PNG, not its colours. Raises DatasetError for another file."""
    try:
        with Image.open(file) as image:
            labels = np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # as Pillow fails
        raise DatasetError(f"{file} cannot be read ({error})") from error
    if labels.ndim != 2:
        raise DatasetError(f"{file} is a colour image; expected one number per pixel, as in a grey or palette PNG")
    if labels.max() > _VOID or labels.min() < 0:
        raise DatasetError(f"{file} holds the number {labels.max()}; expected object numbers from 0 to {_VOID}")
    return labels.astype(np.uint8)


def _size_of(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
