"""Photographs, cut-out objects and animations that the generator paints with, read from files."""

from __future__ import annotations

import hashlib
import logging
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageSequence

from sam2_ros.files import replacing
from sam2_ros.media.pictures import read_picture
from sam2_ros.optional import MissingLibraryError, require

PHOTOGRAPH_SIDE = 420
CUT_OUT_SIDE = 128
ANIMATION_FRAMES = 16
ANIMATION_SIDE = 96
_ANIMATED = {".webp", ".gif"}
_MIN_FILLED = 0.1  # of the animation's square: minimum area of its object on every frame
_MIN_CUT_OUT = 40  # pixels: smaller objects are icons or lines
BUNDLED = ("astronaut", "coffee", "chelsea", "motorcycle_left", "rocket", "coins", "brick", "grass", "gravel", "ihc")

log = logging.getLogger(__name__)


class PicturesError(ValueError):
    """Pictures that do not belong to this training, or that cannot be read."""


@dataclass(frozen=True)
class Photograph:
    """`image` (H, W, 3) uint8 RGB, `segments` (H, W) uint16 numbered from 1: regions of similar colour."""

    image: np.ndarray
    segments: np.ndarray


@dataclass(frozen=True)
class Pictures:
    """Pictures that the generator uses beside its own drawings.

    `cut_outs` are whole objects, each (CUT_OUT_SIDE, CUT_OUT_SIDE, 4) uint8 RGB and opacity; `animations` are objects
    that turn and move, each (ANIMATION_FRAMES, ANIMATION_SIDE, ANIMATION_SIDE, 4).
    """

    photographs: tuple[Photograph, ...] = ()
    cut_outs: tuple[np.ndarray, ...] = ()
    animations: tuple[np.ndarray, ...] = ()


def load_pictures(folder: Path | None, cache: Path | None = None) -> Pictures:
    """The photographs bundled with scikit-image, if it is installed, and the pictures below `folder`.

    Segmenting photographs takes a second each; `cache` (an .npz file) keeps the result. Raises PicturesError for a
    cache made from another folder or other files, MissingLibraryError for photographs without scikit-image.
    """
    files = _picture_files(folder)
    if cache is None:
        return _load(files)
    source = _fingerprint(folder, files)
    if cache.exists():
        return _from_cache(cache, source)
    pictures = _load(files)
    _to_cache(pictures, cache, source)
    return pictures


def _load(files: list[Path]) -> Pictures:
    own = read_pictures(files)
    return replace(own, photographs=bundled_photographs() + own.photographs)


def bundled_photographs() -> tuple[Photograph, ...]:
    """The photographs bundled with scikit-image; none, with a warning, if it is not installed."""
    try:
        skimage = require("skimage", "a synthetic clip with photographs", "train")
    except MissingLibraryError as error:
        log.warning("no bundled photographs: %s", error)
        return ()
    folder = Path(str(skimage.__file__)).parent / "data"
    return read_pictures([file for file in sorted(folder.iterdir()) if file.stem in BUNDLED]).photographs


def read_pictures(files: Iterable[Path]) -> Pictures:
    """Read image files; unreadable ones are logged and skipped.

    An image with a transparent background is a cut-out object. An animated one (WebP, GIF) is an animation of such an
    object, or a cut-out if the object nearly vanishes on some frame. Any other image is a photograph.
    """
    photographs, cut_outs, animations = [], [], []
    for file in files:
        animation = _read_animation(file)
        if animation is not None:
            animations.append(animation)
            continue
        image = read_picture(file, cv2.IMREAD_UNCHANGED)
        if image is None:
            log.warning("skipped %s: not an image that OpenCV reads", file)
            continue
        if image.ndim == 3 and image.shape[2] == 4 and image.dtype == np.uint8 and image[..., 3].min() == 0:
            cut_out = square_cut_out(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
            if cut_out is not None:
                cut_outs.append(cut_out)
            continue
        photograph = _shrink(cv2.cvtColor(read_picture(file), cv2.COLOR_BGR2RGB))
        photographs.append(Photograph(photograph, _segment(photograph)))
    return Pictures(tuple(photographs), tuple(cut_outs), tuple(animations))


def _fingerprint(folder: Path | None, files: list[Path]) -> str:
    """Distinguishes folders by the names and sizes of their pictures."""
    listed = [f"{file.relative_to(folder)}:{file.stat().st_size}" for file in files] if folder else []
    return hashlib.sha256("\n".join(listed).encode(errors="surrogateescape")).hexdigest()


def _to_cache(pictures: Pictures, cache: Path, source: str) -> None:
    arrays = {f"image{i}": photo.image for i, photo in enumerate(pictures.photographs)}
    arrays |= {f"segments{i}": photo.segments for i, photo in enumerate(pictures.photographs)}
    if pictures.cut_outs:
        arrays["cut_outs"] = np.stack(pictures.cut_outs)
    if pictures.animations:
        arrays["animations"] = np.stack(pictures.animations)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with replacing(cache) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, source=np.array(source), **arrays)


def _from_cache(cache: Path, source: str) -> Pictures:
    try:
        with np.load(cache) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise PicturesError(f"{cache} is damaged: delete it") from error
    if str(arrays.get("source")) != source:
        raise PicturesError(
            f"{cache} holds other pictures than these: give the same --pictures folder as before, or another "
            "--out folder"
        )
    count = sum(name.startswith("image") for name in arrays)
    photographs = tuple(Photograph(arrays[f"image{i}"], arrays[f"segments{i}"]) for i in range(count))
    cut_outs, animations = (tuple(arrays.get(name, ())) for name in ("cut_outs", "animations"))
    return Pictures(photographs, cut_outs, animations)


def square_cut_out(image: np.ndarray) -> np.ndarray | None:
    """The object of an image (H, W, 4), centred in a cut-out; None if it is too thin or too small to track."""
    x, y, width, height = cv2.boundingRect((image[..., 3] > 127).astype(np.uint8))
    if min(width, height) < _MIN_CUT_OUT or (image[..., 3] > 127).sum() < 0.25 * width * height:
        return None
    return _square(image, (x, y, width, height), CUT_OUT_SIDE)


def _square(image: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """The box (x, y, width, height) of an image (H, W, 4), centred in a transparent square of `size` pixels."""
    x, y, width, height = box
    side = round(max(width, height) * 1.05)
    square = np.zeros((side, side, 4), np.uint8)
    left, upper = (side - width) // 2, (side - height) // 2
    square[upper : upper + height, left : left + width] = image[y : y + height, x : x + width]
    resized: np.ndarray = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return resized


def _read_animation(file: Path) -> np.ndarray | None:
    """The animation (ANIMATION_FRAMES, ANIMATION_SIDE, ANIMATION_SIDE, 4); None without a transparent background."""
    if file.suffix.lower() not in _ANIMATED:
        return None
    try:
        with Image.open(file) as image:
            if getattr(image, "n_frames", 1) == 1:
                return None
            frames = [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    except OSError:  # a photograph, or damaged
        return None
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, ANIMATION_FRAMES).round().astype(int)]
    if min(frame[..., 3].min() for frame in chosen) > 0:
        return None
    solid = np.stack([frame[..., 3] > 127 for frame in chosen])
    x, y, width, height = cv2.boundingRect(solid.any(axis=0).astype(np.uint8))
    # An object that nearly vanishes on a frame would count as absent there.
    if min(width, height) < _MIN_CUT_OUT or solid.sum(axis=(1, 2)).min() < _MIN_FILLED * width * height:
        return None
    return np.stack([_square(frame, (x, y, width, height), ANIMATION_SIDE) for frame in chosen])


def _picture_files(folder: Path | None) -> list[Path]:
    endings = {".jpg", ".jpeg", ".png"} | _ANIMATED
    files = sorted(folder.rglob("*")) if folder else []
    return [file for file in files if file.suffix.lower() in endings and file.is_file()]


def _shrink(image: np.ndarray) -> np.ndarray:
    scale = PHOTOGRAPH_SIDE / min(image.shape[:2])
    resized: np.ndarray = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return resized


def _segment(image: np.ndarray) -> np.ndarray:
    """Felzenszwalb's segments, with smoothed borders."""
    segmentation = require("skimage.segmentation", "a synthetic clip with photographs", "train")
    smooth = cv2.bilateralFilter(image, 7, 40, 5)
    labels = segmentation.felzenszwalb(smooth, scale=500, sigma=0.8, min_size=500).astype(np.uint16) + 1
    rounded: np.ndarray = cv2.medianBlur(labels, 5)
    return rounded.astype(np.uint16)
