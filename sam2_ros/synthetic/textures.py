"""Surfaces for the synthetic generator: photographs and their natural segments, noise, patterns and paint."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
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


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """One RGB colour (3,) float32, 0..255; greys, dark and pale ones are as common as vivid ones."""
    saturation = 255 * rng.random() ** rng.choice((0.6, 3.0))
    hsv = np.array([[[rng.uniform(0, 180), saturation, rng.uniform(20, 255)]]], np.float32).astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Random values of a coarse grid, interpolated to (size, size) float32, about 0..1."""
    return cv2.resize(rng.random((cells, cells), np.float32), (size, size), interpolation=cv2.INTER_CUBIC)


@lru_cache(maxsize=8)
def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    return tuple(np.meshgrid(axis, axis))  # type: ignore[return-value]


def unit_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel of a square, each (size, size) float32, from -1 to 1."""
    return _grid(size)


def noise_texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Clouds, marble or speckle between two to four colours: (size, size, 3) float32, 0..255."""
    value = np.zeros((size, size), np.float32)
    cells, weight = int(rng.integers(2, 8)), 1.0
    decay = rng.uniform(0.3, 0.9)
    while cells < size and weight > 0.05:
        value += weight * smooth_noise(rng, size, cells)
        cells, weight = cells * 2, weight * decay
    value = (value - value.min()) / max(float(np.ptp(value)), 1e-6)
    palette = np.stack([random_colour(rng) for _ in range(rng.integers(2, 5))])
    if rng.random() < 0.4:
        palette = palette[:1] + (palette - palette[:1]) * 0.25
    stops = np.linspace(0, 1, len(palette))
    return np.stack([np.interp(value, stops, channel) for channel in palette.T], axis=-1).astype(np.float32)


def pattern_texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Stripes, checks or dots of two colours."""
    x, y = unit_grid(size)
    angle, waves = rng.uniform(0, np.pi), rng.uniform(2, 14)
    along = np.sin(waves * (np.cos(angle) * x + np.sin(angle) * y) * np.pi + rng.uniform(0, 6))
    across = np.sin(waves * (np.cos(angle) * y - np.sin(angle) * x) * np.pi + rng.uniform(0, 6))
    kind = rng.integers(3)
    wave = along if kind == 0 else along * across if kind == 1 else np.maximum(along, across) - rng.uniform(0, 0.8)
    share = np.clip(wave * 6 + 0.5, 0, 1)[..., None]
    first, second = random_colour(rng), random_colour(rng)
    return first * share + second * (1 - share)


def plain_texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """One colour that fades a little from one side to the other."""
    x, y = unit_grid(size)
    angle = rng.uniform(0, 2 * np.pi)
    fade = 1 + rng.uniform(0, 0.35) * (np.cos(angle) * x + np.sin(angle) * y)
    return np.clip(random_colour(rng) * fade[..., None], 0, 255)


def lettered_texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """A plain surface with a few letters, as on a toy block or a package."""
    surface = plain_texture(rng, size).astype(np.uint8)
    ink = tuple(float(value) for value in random_colour(rng))
    for _ in range(rng.integers(1, 4)):
        letter = chr(int(rng.integers(65, 91)))
        where = (int(rng.uniform(0, 0.7) * size), int(rng.uniform(0.3, 1) * size))
        cv2.putText(
            surface,
            letter,
            where,
            int(rng.integers(0, 4)),
            size * rng.uniform(0.008, 0.025),
            ink,
            int(rng.integers(2, 9)),
            cv2.LINE_AA,
        )
    return surface.astype(np.float32)


def photograph_crop(
    rng: np.random.Generator, photographs: tuple[Photograph, ...], size: int, smallest: float = 0.25
) -> tuple[np.ndarray, np.ndarray]:
    """A random rectangle of a photograph, mirrored or not, recoloured.

    Image (size, size, 3) float32 and segments (size, size).
    """
    photo = photographs[int(rng.integers(len(photographs)))]
    height, width = photo.image.shape[:2]
    side = min(height, width) * rng.uniform(smallest, 1.0)
    stretch = np.exp(rng.uniform(-0.25, 0.25))
    crop_w = int(np.clip(side * stretch, 16, width))
    crop_h = int(np.clip(side / stretch, 16, height))
    left, top = int(rng.integers(width - crop_w + 1)), int(rng.integers(height - crop_h + 1))
    area = np.s_[top : top + crop_h, left : left + crop_w]
    image = cv2.resize(photo.image[area], (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    segments = cv2.resize(photo.segments[area], (size, size), interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        image, segments = image[:, ::-1], segments[:, ::-1]
    return recolour(rng, image), np.ascontiguousarray(segments)


def recolour(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Other light on the same surface: gains of the channels, contrast, sometimes other channels altogether."""
    if rng.random() < 0.2:
        image = image[..., rng.permutation(3)]
    if rng.random() < 0.15:
        image = np.repeat(image.mean(-1, keepdims=True), 3, -1)
    gain = np.exp(rng.normal(0, 0.15, 3) + rng.normal(0, 0.2)).astype(np.float32)
    return np.clip(image * gain + np.float32(rng.normal(0, 10)), 0, 255)


def random_surface(rng: np.random.Generator, pictures: Pictures, size: int) -> np.ndarray:
    """Any of the textures: (size, size, 3) float32, 0..255."""
    kind = rng.random()
    if pictures.photographs and kind < 0.4:
        return photograph_crop(rng, pictures.photographs, size, smallest=0.1)[0]
    if kind < 0.6:
        return noise_texture(rng, size)
    if kind < 0.82:
        return plain_texture(rng, size)
    if kind < 0.92:
        return pattern_texture(rng, size)
    return lettered_texture(rng, size)
