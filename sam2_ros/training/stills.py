"""Still pictures with masks in the layouts of SA-1B, COCO and DAVIS; usually only some of their objects have one."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from sam2_ros.optional import MissingLibraryError, require
from sam2_ros.synthetic.davis_writer import ANNOTATIONS, IMAGES
from sam2_ros.synthetic.still_clip import MAX_OBJECTS
from sam2_ros.synthetic.stills import Still
from sam2_ros.training.davis import ENDINGS, DatasetError, read_labels, read_picture, without_void

log = logging.getLogger(__name__)

_LONGEST_SIDE = 960  # pixels; larger pictures are reduced
_MIN_AREA = 400  # pixels of an object after that
_MAX_OVERLAP = 0.05  # of a mask's area with those chosen before
_TRIES = 12  # masks that are decoded in search of MAX_OBJECTS that fit


class Stills(Protocol):
    """A collection of still pictures with masks."""

    def __len__(self) -> int:
        """The number of pictures."""

    def file(self, index: int) -> Path:
        """The file of a picture."""

    def read(self, index: int, rng: np.random.Generator) -> Still:
        """A picture with some of its objects. Raises DatasetError for an unusable file and without a large object."""


@dataclass(frozen=True)
class IndexedStills:
    """Pictures in JPEGImages/ with masks of the same name in Annotations/: PNG files whose pixels number objects."""

    pairs: tuple[tuple[Path, Path], ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def file(self, index: int) -> Path:
        """The file of a picture."""
        return self.pairs[index][0]

    def read(self, index: int, rng: np.random.Generator) -> Still:
        """A picture with some of its objects. Raises DatasetError for an unusable file and without a large object."""
        picture, annotation = self.pairs[index]
        labels = without_void(read_labels(annotation))
        numbers = np.unique(labels[labels > 0])
        return _still(picture, ((annotation, partial(np.equal, labels, n)) for n in rng.permutation(numbers)))


@dataclass(frozen=True)
class Sa1bStills:
    """SA-1B: beside each picture a JSON file of the same name with run-length masks (Kirillov et al. 2023)."""

    annotations: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.annotations)

    def file(self, index: int) -> Path:
        """The file of a picture."""
        return self.annotations[index].with_suffix(".jpg")

    def read(self, index: int, rng: np.random.Generator) -> Still:
        """A picture with some of its objects. Raises DatasetError for an unusable file and without a large object."""
        file = self.annotations[index]
        try:
            masks = [entry["segmentation"] for entry in json.loads(file.read_bytes())["annotations"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{file} is no annotation of SA-1B ({error!r})") from error
        order = rng.permutation(len(masks))
        return _still(self.file(index), ((file, partial(_decode, masks[n])) for n in order))


@dataclass(frozen=True)
class CocoStills:
    """COCO: one JSON file with the instances of all pictures; crowds are no single objects and are left out.

    `masks` holds the compressed run-length masks of each picture, as bytes.
    """

    annotation: Path
    pictures: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...]  # height, width
    masks: tuple[tuple[bytes, ...], ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def file(self, index: int) -> Path:
        """The file of a picture."""
        return self.pictures[index]

    def read(self, index: int, rng: np.random.Generator) -> Still:
        """A picture with some of its objects. Raises DatasetError for an unusable file and without a large object."""
        masks, size = self.masks[index], list(self.sizes[index])
        order = rng.permutation(len(masks))
        decoders = ((self.annotation, partial(_decode, {"size": size, "counts": masks[n]})) for n in order)
        return _still(self.pictures[index], decoders)


def read_stills(path: Path) -> Stills | None:
    """The pictures with masks at `path`, a folder or COCO's JSON file; None for another layout.

    Raises DatasetError for a COCO file that cannot be used, MissingLibraryError without pycocotools for run-length
    masks.
    """
    if path.suffix == ".json" and path.is_file():
        return _read_coco(path)
    images = path / IMAGES
    if images.is_dir():
        pictures = sorted(file for file in images.iterdir() if file.suffix.lower() in ENDINGS)
        pairs = ((picture, path / ANNOTATIONS / f"{picture.stem}.png") for picture in pictures)
        found = tuple(pair for pair in pairs if pair[1].exists())
        if found and len(found) < len(pictures):
            log.warning(
                "skipped %d pictures of %s: %s has no mask of them", len(pictures) - len(found), images, ANNOTATIONS
            )
        return IndexedStills(found) if found else None
    annotations = tuple(file for file in sorted(path.rglob("*.json")) if file.with_suffix(".jpg").exists())
    if not annotations:
        return None
    require("pycocotools.mask", "reading SA-1B", "train")
    return Sa1bStills(annotations)


def _still(picture: Path, masks: Iterator[tuple[Path, Callable[[], np.ndarray]]]) -> Still:
    """The picture with the first of the masks that are large enough and do not overlap; each comes with its file."""
    image = read_picture(picture)
    height, width = image.shape[:2]
    scale = min(1.0, _LONGEST_SIDE / max(height, width))
    small = (round(width * scale), round(height * scale))
    chosen: list[np.ndarray] = []
    covered = np.zeros(small[::-1], bool)
    for _, (file, decode) in zip(range(_TRIES), masks):
        mask = decode()
        if mask.shape != (height, width):
            raise DatasetError(f"{file} has a mask of {mask.shape[1]}x{mask.shape[0]}, {picture} is {width}x{height}")
        if scale < 1:
            mask = cv2.resize(mask.astype(np.uint8) * 255, small, interpolation=cv2.INTER_AREA) > 127
        area = np.count_nonzero(mask)
        if area < _MIN_AREA or np.count_nonzero(mask & covered) > _MAX_OVERLAP * area:
            continue
        chosen.append(mask & ~covered)
        covered |= mask
        if len(chosen) == MAX_OBJECTS:
            break
    if not chosen:
        raise DatasetError(f"{picture} has no object of {_MIN_AREA} pixels or more")
    if scale < 1:
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return Still(image, np.stack(chosen))


def _decode(mask: dict[str, Any]) -> np.ndarray:
    """(H, W) bool from a compressed run-length mask."""
    try:
        return np.asarray(require("pycocotools.mask", "reading run-length masks", "train").decode(mask)) > 0
    except MissingLibraryError:
        raise
    except Exception as error:  # the library has none of its own
        raise DatasetError(f"a mask cannot be decoded ({error!r})") from error


def _read_coco(file: Path) -> CocoStills:
    library = require("pycocotools.mask", "reading COCO", "train")
    masks: dict[Any, list[bytes]] = defaultdict(list)
    try:
        content = json.loads(file.read_bytes())
        images = {image["id"]: image for image in content["images"]}
        sizes = {number: (int(image["height"]), int(image["width"])) for number, image in images.items()}
        names = {number: str(image["file_name"]) for number, image in images.items()}
        instances = [each for each in content["annotations"] if not each.get("iscrowd")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{file} is no COCO instances file ({error!r})") from error
    for instance in instances:
        try:
            number = instance["image_id"]
            masks[number].append(_run_lengths(library, instance["segmentation"], sizes[number]))
        except Exception as error:  # the library has none of its own
            log.warning("skipped instance %s of %s: no mask of a picture (%r)", instance.get("id"), file, error)
    labelled = [number for number, of_one in masks.items() if of_one]
    if not labelled:
        raise DatasetError(f"{file} has no object with a segmentation")
    folder = _picture_folder(file, [names[number] for number in labelled])
    return CocoStills(
        file,
        tuple(folder / names[number] for number in labelled),
        tuple(sizes[number] for number in labelled),
        tuple(tuple(masks[number]) for number in labelled),
    )


def _run_lengths(library: Any, segmentation: Any, size: tuple[int, int]) -> bytes:
    """The compressed run-length mask of polygons or of a mask's counts; `size` is the picture's height and width."""
    if isinstance(segmentation, dict):
        if tuple(segmentation["size"]) != size:
            raise ValueError(f"a mask of {segmentation['size']} in a picture of {size}")
        if not isinstance(segmentation["counts"], list):
            counts = segmentation["counts"]
            return counts.encode() if isinstance(counts, str) else bytes(counts)
    packed = library.frPyObjects(segmentation, *size)
    return bytes((library.merge(packed) if isinstance(packed, list) else packed)["counts"])


def _picture_folder(file: Path, names: list[str]) -> Path:
    """The folder of a COCO file's pictures: the one with the first of them that is there."""
    split = file.stem.split("_")[-1]
    root = file.parent.parent
    options = [file.parent, root / split, root / "images", root / "images" / split, file.parent / "images"]
    for name in names:
        for folder in options:
            if (folder / name).exists():
                return folder
    raise DatasetError(f"the pictures of {file}, as {names[0]}, are in none of {', '.join(map(str, options))}")
