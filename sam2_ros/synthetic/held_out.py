"""Writes the fixed synthetic set on which training is judged.

python -m sam2_ros.synthetic.held_out FOLDER [FOLDER_OF_PICTURES]
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from sam2_ros.synthetic.davis_writer import write_clip
from sam2_ros.synthetic.pictures import load_pictures
from sam2_ros.synthetic.scene import render_clip

SEED = 90210  # apart from every training's
CLIPS = 60
FRAMES = 40
SIZE = 256


def write_held_out(folder: Path, picture_folder: Path | None) -> None:
    """CLIPS clips in DAVIS' layout, each with an object that is seen on its first frame."""
    pictures = load_pictures(picture_folder)
    written, index = 0, 0
    with tqdm(total=CLIPS, unit="clip") as bar:
        while written < CLIPS:
            clip = render_clip(SEED, index, pictures, FRAMES, SIZE)
            index += 1
            if clip.labels.any() and clip.visible()[0].any():
                write_clip(folder, f"{written:03d}", clip)
                written += 1
                bar.update()


if __name__ == "__main__":
    write_held_out(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
