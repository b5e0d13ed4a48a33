"""Objects of real videos, outlined by hand on a few frames: a data set in DAVIS' layout for `sam2_ros evaluate`.

python test/training/real_videos.py VIDEOS FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.media.video import read_frames
from sam2_ros.synthetic.davis_writer import write_sequence

OUTLINES = Path(__file__).with_suffix(".json")
SIZE = (640, 360)  # of the outlines' pixels, and of the written frames


@dataclass(frozen=True)
class Outlined:
    """An object of a video; `masks` (H, W) bool by number of frame, empty where it is out of view."""

    name: str
    video: str
    masks: dict[int, np.ndarray]

    def frames(self, videos: Path) -> Iterator[np.ndarray]:
        """(H, W, 3) uint8 RGB up to the last frame with an outline."""
        for picture, _ in islice(read_frames(videos / self.video), max(self.masks) + 1):
            yield cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)


def outlined_objects() -> list[Outlined]:
    """All of them."""
    entries = json.loads(OUTLINES.read_text())
    return [
        Outlined(name, entry["video"], {int(frame): _filled(outlines) for frame, outlines in entry["frames"].items()})
        for name, entry in entries.items()
    ]


def _filled(outlines: list[list[list[int]]]) -> np.ndarray:
    """Outlines inside others are holes."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    if outlines:
        cv2.fillPoly(mask, [np.array(outline, np.int32) for outline in outlines], 1)
    return mask > 0


def write_dataset(videos: Path, folder: Path) -> None:
    """One sequence per object."""
    for outlined in outlined_objects():
        write_sequence(folder, outlined.name, outlined.frames(videos), outlined.masks)


if __name__ == "__main__":
    write_dataset(Path(sys.argv[1]), Path(sys.argv[2]))
