"""Writes the fixed synthetic test set on which training is judged.

python -m sam2_ros.synthetic.held_out FOLDER [--pictures FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from sam2_ros.optional import require
from sam2_ros.synthetic.command import run
from sam2_ros.synthetic.davis_writer import write_clip
from sam2_ros.synthetic.pictures import load_pictures
from sam2_ros.synthetic.scene import render_clip

SEED = 90210  # apart from every training's
CLIPS = 60
FRAMES = 40
SIZE = 256


def write_held_out(folder: Path, picture_folder: Path | None, clips: int = CLIPS) -> None:
    """The first `clips` clips of the set in DAVIS' layout, each with an object that is visible on its first frame.

    Raises MissingLibraryError without scikit-image: the set would not be the same without its photographs.
    """
    require("skimage", "the held-out set", "train")
    pictures = load_pictures(picture_folder)
    written, index = 0, 0
    with tqdm(total=clips, unit="clip", disable=None) as bar:
        while written < clips:
            clip = render_clip(SEED, index, pictures, FRAMES, SIZE)
            index += 1
            if clip.labels.any() and clip.visible()[0].any():
                write_clip(folder, f"{written:03d}", clip)
                written += 1
                bar.update()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and write the set."""
    parser = argparse.ArgumentParser(
        "python -m sam2_ros.synthetic.held_out", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the data set is written, in DAVIS' layout")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="more pictures: another set than the fixed one")
    parser.add_argument("--clips", type=int, default=CLIPS, metavar="N", help="only the first N (default: %(default)s)")
    args = parser.parse_args(argv)
    return run(parser.prog, lambda: write_held_out(args.folder, args.pictures, args.clips))


if __name__ == "__main__":
    sys.exit(main())
