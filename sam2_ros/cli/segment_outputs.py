"""What `sam2_ros segment` leaves in its folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from sam2_ros.files import named_errors, replacing
from sam2_ros.media.overlay import draw_masks
from sam2_ros.media.pictures import write_picture
from sam2_ros.segmentation.coco import shortest_rle
from sam2_ros.segmentation.segment import PackedMask

from .track_outputs import OutputError

_TABLE, _MASKS, _OVERLAYS = "annotations.json", "masks", "overlays"
_BEGINNING = '{"info": {"description": "sam2_ros segment"}, "annotations": ['
_UNLABELLED = "object"


@dataclass(frozen=True)
class Found:
    """An object in a picture."""

    mask: PackedMask
    predicted_iou: float
    label: str = ""


def check_folder(folder: Path, pictures: Iterable[Path]) -> None:
    """Raises OutputError if results in this folder would overwrite a picture or files of somebody else."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"--out {folder} is a file, expected a folder: choose another name")
    written = {(folder / name).resolve() for name in (_MASKS, _OVERLAYS)}
    for picture in pictures:
        if picture.resolve().parent in written:
            raise OutputError(f"results in --out {folder} would overwrite {picture}, an input: choose another folder")
    if not _is_earlier_run(folder):
        for name in (_TABLE, _MASKS, _OVERLAYS):
            if (folder / name).is_file() or any((folder / name).glob("*")):
                raise OutputError(
                    f"{folder / name} exists and is not from an earlier run: move it, or choose another --out"
                )


def _is_earlier_run(folder: Path) -> bool:
    """Also one that was killed, whose table is still a partial file."""
    return any(_is_table(file) for file in folder.glob(f"{_TABLE}*"))


def _is_table(file: Path) -> bool:
    """An empty one is of a run that was killed, or of a full disk."""
    with file.open("rb") as table:
        return table.read(len(_BEGINNING)) in (b"", _BEGINNING.encode())


class Outputs:
    """The files of one run, a context manager; those of an earlier run are deleted first.

    All of them are complete for the pictures that were written, however the run ends. Raises OSError that names the
    file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images: list[dict[str, Any]] = []
        self._categories: dict[str, int] = {}
        self._count = 0
        for name, pattern in ((_MASKS, "*.png"), (_OVERLAYS, "*.jpg")):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for old in (folder / name).glob(pattern):
                old.unlink()
        self._closing = ExitStack()
        partial = self._closing.enter_context(replacing(folder / _TABLE))
        self._table = self._closing.enter_context(partial.open("w"))
        self._table.write(_BEGINNING)

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # However the run ends, what has been written is to be kept.
        with self._closing, named_errors(self._folder / _TABLE):
            categories = [{"id": number, "name": name} for name, number in self._categories.items()]
            self._table.write(f'\n], "images": {json.dumps(self._images)}, "categories": {json.dumps(categories)}}}\n')

    def write(self, name: str, file: Path, rgb: np.ndarray, found: Sequence[Found]) -> None:
        """One picture (H, W, 3) uint8 under a name of its own, with its objects."""
        # Small objects are drawn last, so that none is hidden by what surrounds it.
        back_to_front = sorted(range(len(found)), key=lambda i: -found[i].mask.area)
        labels = np.zeros(rgb.shape[:2], np.uint8 if len(found) < 256 else np.uint16)
        for i in back_to_front:
            x0, y0, x1, y1 = found[i].mask.edges
            labels[y0:y1, x0:x1][found[i].mask.inside()] = i + 1
        write_picture(self._folder / _MASKS / f"{name}.png", labels)
        overlay = draw_masks(rgb, (found[i].mask.array() for i in back_to_front))
        write_picture(self._folder / _OVERLAYS / f"{name}.jpg", cv2.cvtColor(overlay, cv2.COLOR_RGB2BGR))
        height, width = rgb.shape[:2]
        self._images.append({"id": len(self._images) + 1, "file_name": str(file), "width": width, "height": height})
        with named_errors(self._folder / _TABLE):
            for object_ in found:
                self._write_annotation(object_)

    def _write_annotation(self, found: Found) -> None:
        self._table.write(",\n" if self._count else "\n")
        self._count += 1
        x0, y0, x1, y1 = found.mask.edges
        annotation = {
            "id": self._count,
            "image_id": len(self._images),
            "category_id": self._categories.setdefault(found.label or _UNLABELLED, len(self._categories) + 1),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": found.mask.area,
            "iscrowd": 0,
            "predicted_iou": round(found.predicted_iou, 4),
            "segmentation": shortest_rle(found.mask.array()),
        }
        self._table.write(json.dumps(annotation))

    def __str__(self) -> str:
        return f"{self._folder}: {_MASKS}/, {_OVERLAYS}/, {_TABLE}"
