"""Surfaces for the synthetic generator: photographs, noise, patterns and paint."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from sam2_ros.synthetic.pictures import Photograph, Pictures


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """A random RGB colour (3,) float32, 0..255; muted colours are as frequent as vivid ones."""
    saturation = 255 * rng.random() ** rng.choice((0.6, 3.0))
    hsv = np.array([[[rng.uniform(0, 180), saturation, rng.uniform(20, 255)]]], np.float32).astype(np.uint8)
    rgb: np.ndarray = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)
    return rgb


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Random values on a coarse grid, interpolated to (size, size) float32, about 0..1."""
    noise: np.ndarray = cv2.resize(rng.random((cells, cells), np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return noise


@lru_cache(maxsize=8)
def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    return tuple(np.meshgrid(axis, axis))  # type: ignore[return-value]


def unit_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """X and y of every pixel of a square, each (size, size) float32, from -1 to 1."""
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
    texture: np.ndarray = first * share + second * (1 - share)
    return texture


def plain_texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """One colour with a slight gradient."""
    x, y = unit_grid(size)
    angle = rng.uniform(0, 2 * np.pi)
    fade = 1 + rng.uniform(0, 0.35) * (np.cos(angle) * x + np.sin(angle) * y)
    texture: np.ndarray = np.clip(random_colour(rng) * fade[..., None], 0, 255)
    return texture


def text_texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """A plain surface with a few letters."""
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
    """A random crop of a photograph, randomly mirrored and recoloured.

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
    """Random gains and offset of the channels; sometimes permuted channels or grey."""
    if rng.random() < 0.2:
        image = image[..., rng.permutation(3)]
    if rng.random() < 0.15:
        image = np.repeat(image.mean(-1, keepdims=True), 3, -1)
    gain = np.exp(rng.normal(0, 0.15, 3) + rng.normal(0, 0.2)).astype(np.float32)
    recoloured: np.ndarray = np.clip(image * gain + np.float32(rng.normal(0, 10)), 0, 255)
    return recoloured


def random_surface(rng: np.random.Generator, pictures: Pictures, size: int) -> np.ndarray:
    """A random texture of any kind: (size, size, 3) float32, 0..255."""
    kind = rng.random()
    if pictures.photographs and kind < 0.4:
        return photograph_crop(rng, pictures.photographs, size, smallest=0.1)[0]
    if kind < 0.6:
        return noise_texture(rng, size)
    if kind < 0.82:
        return plain_texture(rng, size)
    if kind < 0.92:
        return pattern_texture(rng, size)
    return text_texture(rng, size)
