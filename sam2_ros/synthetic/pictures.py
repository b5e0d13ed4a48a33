"""Photographs, cut-out objects and animations that the generator paints with, read from files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

PHOTOGRAPH_SIDE = 420
CUT_OUT_SIDE = 128
FILM_FRAMES = 16
FILM_SIDE = 96
_ANIMATED = {".webp", ".gif"}
_LEAST_FILLED = 0.1  # share of a film's square that its object covers on every frame
_LEAST_CUT_OUT = 40  # pixels: smaller ones are icons, thinner ones lines
BUNDLED = ("astronaut", "coffee", "chelsea", "motorcycle_left", "rocket", "coins", "brick", "grass", "gravel", "ihc")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photograph:
    """`image` (H, W, 3) uint8 RGB, `segments` (H, W) uint16 numbered from 1: regions of alike colour."""

    image: np.ndarray
    segments: np.ndarray


@dataclass(frozen=True)
class Pictures:
    """What the generator paints with, beside what it draws itself.

    `cut_outs` are whole objects, each (CUT_OUT_SIDE, CUT_OUT_SIDE, 4) uint8 RGB and opacity; `films` are objects that
    turn and move, each (FILM_FRAMES, FILM_SIDE, FILM_SIDE, 4).
    """

    photographs: tuple[Photograph, ...] = ()
    cut_outs: tuple[np.ndarray, ...] = ()
    films: tuple[np.ndarray, ...] = ()


def load_pictures(folder: Path | None, cache: Path | None = None) -> Pictures:
    """The photographs inside scikit-image and the pictures below `folder`.

    A picture with a transparent surrounding is an object that is cut out already, an animated one (WebP, GIF) a film of
    such an object, or a still where it nearly vanishes. Every other one is a photograph and is cut into segments. That
    takes a second each, so that `cache` (an .npz file) keeps the result where it is given.
    Without scikit-image and without a folder there are none, and the generator paints everything itself.
    """
    if cache is not None and cache.exists():
        return _from_cache(cache)
    photographs, cut_outs, films = [], [], []
    for file in _picture_files(folder):
        film = _read_film(file)
        if film is not None:
            films.append(film)
            continue
        image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if image is None:
            log.warning("%s: not an image that OpenCV reads; skipped", file)
            continue
        if image.ndim == 3 and image.shape[2] == 4 and image.dtype == np.uint8 and image[..., 3].min() == 0:
            cut_out = _cut_out(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
            if cut_out is not None:
                cut_outs.append(cut_out)
            continue
        image = _shrink(cv2.cvtColor(cv2.imread(str(file), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))
        photographs.append(Photograph(image, _segment(image)))
    pictures = Pictures(tuple(photographs), tuple(cut_outs), tuple(films))
    if cache is not None:
        _to_cache(pictures, cache)
    return pictures


def _to_cache(pictures: Pictures, cache: Path) -> None:
    arrays = {f"image{i}": photo.image for i, photo in enumerate(pictures.photographs)}
    arrays |= {f"segments{i}": photo.segments for i, photo in enumerate(pictures.photographs)}
    if pictures.cut_outs:
        arrays["cut_outs"] = np.stack(pictures.cut_outs)
    if pictures.films:
        arrays["films"] = np.stack(pictures.films)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, allow_pickle=False, **arrays)


def _from_cache(cache: Path) -> Pictures:
    with np.load(cache) as stored:
        count = sum(name.startswith("image") for name in stored.files)
        photographs = tuple(Photograph(stored[f"image{i}"], stored[f"segments{i}"]) for i in range(count))
        cut_outs, films = (tuple(stored[name]) if name in stored.files else () for name in ("cut_outs", "films"))
        return Pictures(photographs, cut_outs, films)


def _cut_out(image: np.ndarray) -> np.ndarray | None:
    """The object (H, W, 4) in the middle of a square; None for one too thin or small to be followed."""
    x, y, width, height = cv2.boundingRect((image[..., 3] > 127).astype(np.uint8))
    if min(width, height) < _LEAST_CUT_OUT or (image[..., 3] > 127).sum() < 0.25 * width * height:
        return None
    return _square(image, (x, y, width, height), CUT_OUT_SIDE)


def _square(image: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """What is in the box (x, y, width, height) of (H, W, 4), in the middle of a transparent square of `size` pixels."""
    x, y, width, height = box
    side = round(max(width, height) * 1.05)
    square = np.zeros((side, side, 4), np.uint8)
    left, upper = (side - width) // 2, (side - height) // 2
    square[upper : upper + height, left : left + width] = image[y : y + height, x : x + width]
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)


def _read_film(file: Path) -> np.ndarray | None:
    """(FILM_FRAMES, FILM_SIDE, FILM_SIDE, 4) of an animation with a transparent surrounding; None for anything else."""
    if file.suffix.lower() not in _ANIMATED:
        return None
    try:
        with Image.open(file) as image:
            if getattr(image, "n_frames", 1) == 1:
                return None
            frames = [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    except UnidentifiedImageError:
        return None
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, FILM_FRAMES).round().astype(int)]
    if min(frame[..., 3].min() for frame in chosen) > 0:
        return None
    solid = np.stack([frame[..., 3] > 127 for frame in chosen])
    x, y, width, height = cv2.boundingRect(solid.any(axis=0).astype(np.uint8))
    # An object that nearly vanishes between two frames would be told as lost.
    if min(width, height) < _LEAST_CUT_OUT or solid.sum(axis=(1, 2)).min() < _LEAST_FILLED * width * height:
        return None
    return np.stack([_square(frame, (x, y, width, height), FILM_SIDE) for frame in chosen])


def _picture_files(folder: Path | None) -> list[Path]:
    files: list[Path] = []
    try:
        import skimage
    except ImportError:
        log.warning("scikit-image is not installed: no bundled photographs (pip install scikit-image)")
    else:
        bundled = Path(skimage.__file__).parent / "data"
        files += [file for file in sorted(bundled.iterdir()) if file.stem in BUNDLED]
    if folder is not None:
        endings = {".jpg", ".jpeg", ".png"} | _ANIMATED
        files += [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in endings]
    return files


def _shrink(image: np.ndarray) -> np.ndarray:
    scale = PHOTOGRAPH_SIDE / min(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _segment(image: np.ndarray) -> np.ndarray:
    """Felzenszwalb's segments, large enough to be an object's part, with smooth borders."""
    from skimage.segmentation import felzenszwalb

    smooth = cv2.bilateralFilter(image, 7, 40, 5)
    labels = felzenszwalb(smooth, scale=500, sigma=0.8, min_size=500).astype(np.uint16) + 1
    rounded = cv2.medianBlur(labels, 5)
    return rounded.astype(np.uint16)
