"""COCO with masks as RLE: `coco.json` beside `images/`. Needs pycocotools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from sam2_ros.files import replacing

from ..stamps import seconds_text
from .common import Classes, Labelled, Spool, as_uint8

FILE = "coco.json"


class CocoOutput:
    """Annotations carry the object's number as `track_id` and the model's estimate of its mask as `score`."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self._file = folder / FILE
        self._images = Spool(workspace / "coco_images.json")
        self._annotations = Spool(workspace / "coco_annotations.json")
        self._classes = Classes(first=1)
        self._count = 0

    def write(self, labelled: Labelled) -> None:
        """Append a frame."""
        frame = labelled.frame
        height, width = frame.rgb.shape[:2]
        image: dict[str, Any] = {"id": frame.index, "file_name": labelled.picture, "height": height, "width": width}
        self._images.append({**image, "frame": frame.index, "stamp": seconds_text(frame.stamp)})
        for track in labelled.visible:
            rle = coco_mask.encode(np.asfortranarray(as_uint8(track.mask)))
            self._count += 1
            self._annotations.append(
                {
                    "id": self._count,
                    "image_id": frame.index,
                    "category_id": self._classes.number(track),
                    "segmentation": {"size": [height, width], "counts": rle["counts"].decode()},
                    "area": track.area,
                    "bbox": list(map(float, coco_mask.toBbox(rle))),
                    "iscrowd": 0,
                    "track_id": track.id,
                    "score": round(track.predicted_iou, 4),
                }
            )

    def close(self) -> None:
        """Complete the file."""
        categories = [{"id": number, "name": name} for number, name in enumerate(self._classes.names, start=1)]
        with replacing(self._file) as partial, partial.open("w", encoding="utf-8") as file:
            file.write('{"info": {"description": "sam2_ros label"}, "licenses": [],\n"images": ')
            file.writelines(self._images.pieces())
            file.write(',\n"annotations": ')
            file.writelines(self._annotations.pieces())
            file.write(f',\n"categories": {json.dumps(categories)}}}\n')
        self._images.close()
        self._annotations.close()
