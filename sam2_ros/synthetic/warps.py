"""Smooth deformations: thin-plate splines through a grid of control points, and perspective."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from sam2_ros.synthetic.motion import random_walk

_POINTS = 4  # control points along each side
POINTS = _POINTS**2
_CELLS = 20  # along each side of the grid on which the spline is evaluated


def random_bends(rng: np.random.Generator, frames: int, amplitude: float) -> np.ndarray:
    """(T, POINTS, 2) displacements of the control points, in sides of the image, that change slowly.

    They are none on the first frame, and about `amplitude` later.
    """
    modes = rng.normal(0, amplitude, (2, POINTS, 2))
    pace = rng.uniform(0.05, 0.5)
    course = np.stack([np.clip(random_walk(rng, frames, pace), -1, 1) for _ in modes], -1)
    return np.tensordot(course, modes, 1)


def random_tilt(rng: np.random.Generator, frames: int, step: float, limit: float) -> np.ndarray:
    """(T, 2) perspective coefficients up to `limit` that change by about `step` per frame."""
    start = rng.uniform(-limit, limit, 2) / 2
    walk = np.stack([random_walk(rng, frames, step), random_walk(rng, frames, step)], -1)
    tilt: np.ndarray = np.clip(start + walk, -limit, limit)
    return tilt


def perspective(tilt: np.ndarray) -> np.ndarray:
    """(3, 3) projective transform about the origin with the coefficients (2,) of x and y."""
    return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [tilt[0], tilt[1], 1.0]])


def thin_plate_field(bend: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W, 2) float32 displacements in pixels: the spline through those of the control points (POINTS, 2)."""
    coarse = (_basis() @ bend).reshape(_CELLS, _CELLS, 2) * (width, height)
    field: np.ndarray = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return field


def thin_plate_warp(image: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """The image (H, W, C), sampled where the spline displaces each pixel; nothing lies beyond its border."""
    height, width = image.shape[:2]
    field = thin_plate_field(bend, width, height)
    field[..., 0] += np.arange(width, dtype=np.float32)
    field[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    warped: np.ndarray = cv2.remap(image, field, None, cv2.INTER_LINEAR)
    return warped


def sampling_positions(matrix: np.ndarray, size: int) -> np.ndarray:
    """(S, S, 2) float32: where each pixel of an image of `size` pixels lies before the transform `matrix` (3, 3)."""
    inverse = np.linalg.inv(matrix).astype(np.float32)
    x = np.arange(size, dtype=np.float32)
    y = x[:, None]
    sources = [row[0] * x + (row[1] * y + row[2]) for row in inverse]
    return np.dstack([sources[0] / sources[2], sources[1] / sources[2]])


@lru_cache(maxsize=1)
def _basis() -> np.ndarray:
    """(_CELLS ** 2, POINTS): the splines through a displacement of one control point each."""
    control, cells = (_grid(count) for count in (_POINTS, _CELLS))
    return np.asarray(RBFInterpolator(control, np.eye(POINTS), kernel="thin_plate_spline")(cells))


def _grid(count: int) -> np.ndarray:
    """(count ** 2, 2): x and y of a grid from 0 to 1."""
    axis = np.linspace(0, 1, count)
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
