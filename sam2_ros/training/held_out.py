"""Writes the fixed synthetic set on which training is judged.

python -m sam2_ros.training.held_out FOLDER [FOLDER_OF_PHOTOGRAPHS]
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from .davis import write_clip
from .synthetic import render_clip
from .textures import load_photographs

SEED = 90210  # apart from every training's
CLIPS = 60
FRAMES = 40
SIZE = 256


def write_held_out(folder: Path, photograph_folder: Path | None) -> None:
    """CLIPS clips in DAVIS' layout, each with an object that is seen on its first frame."""
    photographs = load_photographs(photograph_folder)
    written, index = 0, 0
    with tqdm(total=CLIPS, unit="clip") as bar:
        while written < CLIPS:
            clip = render_clip(SEED, index, photographs, FRAMES, SIZE)
            index += 1
            if clip.labels.any() and clip.visible()[0].any():
                write_clip(folder, f"{written:03d}", clip)
                written += 1
                bar.update()


if __name__ == "__main__":
    write_held_out(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
