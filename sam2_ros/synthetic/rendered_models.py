"""Renders 3-D models as animations with a transparent background, which the synthetic generator uses as objects.

python -m sam2_ros.synthetic.rendered_models MODELS FOLDER [--count N]

Every MuJoCo model (.xml) and mesh (.obj, .stl) below MODELS is used: its joints move, its surfaces get random colours
and textures, and a camera orbits it. Needs `pip install -e '.[films]'`, and MUJOCO_GL=egl or osmesa without a screen.
"""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from sam2_ros.files import named_errors
from sam2_ros.optional import MissingLibraryError, require
from sam2_ros.synthetic.command import run
from sam2_ros.synthetic.pictures import load_pictures

MODELS = {".xml", ".obj", ".stl"}

log = logging.getLogger(__name__)


class RenderingError(ValueError):
    """No models, or nothing to render them with; the message says what to do."""


def model_files(folder: Path) -> list[Path]:
    """Raises RenderingError for a folder without models."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in MODELS and file.is_file()]
    if not files:
        raise RenderingError(f"{folder} holds no model; expected files that end in {', '.join(sorted(MODELS))}")
    return files


def write_rendered_models(files: list[Path], folder: Path, count: int, seed: int = 1) -> int:
    """Write `count` animations of random models of `files`, less those that show nothing; returns their number.

    Animation i is a function of (seed, i) and the files. Raises MissingLibraryError without MuJoCo, RenderingError if
    it cannot render.
    """
    _check_mujoco()
    from sam2_ros.synthetic.mujoco_renderer import render_model

    pictures = load_pictures(None)
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for index in tqdm(range(count), unit="animation", disable=None):
        rng = np.random.default_rng((seed, index))
        file = files[int(rng.integers(len(files)))]
        try:
            animation = render_model(rng, file, pictures)
        except ValueError as error:  # parts of models do not compile alone
            log.warning("skipped %s: %s", file, error)
            continue
        if animation is not None:
            _write(folder / f"{index:05d}.webp", animation)
            written += 1
    return written


def _check_mujoco() -> None:
    try:
        require("mujoco", "rendering models", "films")
        from sam2_ros.synthetic.mujoco_renderer import check_rendering

        check_rendering()
    except MissingLibraryError:
        raise
    except Exception as error:  # every OpenGL library fails in its own way
        raise RenderingError(
            f"MuJoCo cannot render here ({type(error).__name__}): set MUJOCO_GL=egl on a machine with a GPU, or "
            "MUJOCO_GL=osmesa with libosmesa6 installed"
        ) from error


def _write(file: Path, animation: np.ndarray) -> None:
    first, *rest = [Image.fromarray(frame) for frame in animation]
    content = io.BytesIO()
    first.save(content, "webp", save_all=True, append_images=rest, duration=66, quality=90)
    with named_errors(file):
        file.write_bytes(content.getvalue())


def _write_all(models: Path, folder: Path, count: int) -> None:
    written = write_rendered_models(model_files(models), folder, count)
    print(f"{folder}: {written} animations; use them with `sam2_ros train ... --pictures {folder}`")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and render."""
    program = "python -m sam2_ros.synthetic.rendered_models"
    parser = argparse.ArgumentParser(program, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder of MuJoCo models and meshes")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the animations are written")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(program, lambda: _write_all(args.models, args.folder, args.count))


if __name__ == "__main__":
    sys.exit(main())
