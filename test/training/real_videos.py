"""Objects of real videos, outlined by hand on a few frames: a data set in DAVIS' layout for `sam2_ros evaluate`.

python test/training/real_videos.py VIDEOS FOLDER
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.tracking.video import read_frames
from sam2_ros.training.davis import ANNOTATIONS, IMAGES

OUTLINES = Path(__file__).with_suffix(".json")
SIZE = (640, 360)  # of the outlines' pixels, and of the written frames


@dataclass(frozen=True)
class Outlined:
    """An object of a video; `masks` (H, W) bool by number of frame, empty where it is out of view."""

    name: str
    video: str
    masks: dict[int, np.ndarray]

    def frames(self, videos: Path) -> list[np.ndarray]:
        """(H, W, 3) uint8 RGB up to the last frame with an outline."""
        count = max(self.masks) + 1
        pictures = (picture for picture, _ in read_frames(videos / self.video))
        return [cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA) for picture, _ in zip(pictures, range(count))]


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
        images, annotations = folder / IMAGES / outlined.name, folder / ANNOTATIONS / outlined.name
        images.mkdir(parents=True, exist_ok=True)
        annotations.mkdir(parents=True, exist_ok=True)
        for index, frame in enumerate(outlined.frames(videos)):
            bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(images / f"{index:05d}.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
        for index, mask in outlined.masks.items():
            cv2.imwrite(str(annotations / f"{index:05d}.png"), mask.astype(np.uint8))


if __name__ == "__main__":
    write_dataset(Path(sys.argv[1]), Path(sys.argv[2]))
