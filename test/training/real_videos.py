"""Objects of real videos, outlined by hand on a few frames: a data set in DAVIS' layout for `sam2_ros evaluate`.

python test/training/real_videos.py VIDEOS FOLDER

The outlines are in real_videos.json: by object the video's file name, and by frame number the polygons of its mask, in
pixels of SIZE; a frame without polygons is one without the object. The videos are not part of the repository.
"""

from __future__ import annotations

import argparse
import json
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
class OutlinedObject:
    """An object of a video; `masks` (H, W) bool by frame number, empty where it is not visible."""

    name: str
    video: str
    masks: dict[int, np.ndarray]

    def frames(self, videos: Path) -> Iterator[np.ndarray]:
        """(H, W, 3) uint8 RGB up to the last frame with an outline."""
        for picture, _ in islice(read_frames(videos / self.video), max(self.masks) + 1):
            yield cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)


def outlined_objects() -> list[OutlinedObject]:
    """The objects of real_videos.json."""
    entries = json.loads(OUTLINES.read_text())
    return [
        OutlinedObject(
            name, entry["video"], {int(frame): _filled(outlines) for frame, outlines in entry["frames"].items()}
        )
        for name, entry in entries.items()
    ]


def _filled(outlines: list[list[list[int]]]) -> np.ndarray:
    """The mask (H, W) bool of polygons; polygons inside others are holes."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    if outlines:
        cv2.fillPoly(mask, [np.array(outline, np.int32) for outline in outlines], 1)
    return mask > 0


def write_dataset(videos: Path, folder: Path) -> None:
    """One sequence per object."""
    for outlined in outlined_objects():
        write_sequence(folder, outlined.name, outlined.frames(videos), outlined.masks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("videos", type=Path, metavar="VIDEOS", help="folder of the videos")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the data set is written")
    arguments = parser.parse_args()
    write_dataset(arguments.videos, arguments.folder)
