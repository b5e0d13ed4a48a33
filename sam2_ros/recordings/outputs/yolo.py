"""YOLO segmentation: `labels/*.txt` beside `images/`, and `data.yaml`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sam2_ros.media.pictures import write_whole

from .common import Classes, Labelled
from .polygons import joined_polygon

LABELS, DATA = "labels", "data.yaml"


class YoloOutput:
    """One line for each object: its class and its outline in shares of the image's width and height."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._classes = Classes(first=0)
        (folder / LABELS).mkdir(exist_ok=True)

    def write(self, labelled: Labelled) -> None:
        """A file for the frame, empty where there is no object."""
        height, width = labelled.frame.rgb.shape[:2]
        lines = []
        for track in labelled.visible:
            points = joined_polygon(track.mask) / np.array([width, height])
            numbers = " ".join(f"{number:.6g}" for number in points.ravel())
            lines.append(f"{self._classes.number(track)} {numbers}\n")
        name = Path(labelled.picture).with_suffix(".txt").name
        write_whole(self._folder / LABELS / name, "".join(lines).encode())

    def close(self) -> None:
        """Write data.yaml."""
        names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(self._classes.names))
        write_whole(self._folder / DATA, f"path: .\ntrain: images\nval: images\nnames:\n{names}".encode())
