"""From masks and depth to 3-D: the visible surface of each object.

Points are in the camera's optical frame (REP 103: x to the right, y down, z forward), in metres. Depth is measured
along z; no measurement is NaN, infinite, zero or negative (REP 117, REP 118).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..tracking.geometry import bounding_box

_MILLIMETRES = np.float32(1000.0)  # per metre

# A surface is continuous in depth: beyond a jump of 2 % of the distance, and of 1 cm at least, another one begins.
_JUMP = 0.02
_LEAST_JUMP = 0.01  # metres
_BINS = 800  # of depth, each of half a jump; so few that one always holds its share
_LEAST_SHARE = 0.001  # of an object's pixels, for a bin to hold more than stray pixels between two surfaces
_CORE = 0.1  # by this part of its size a mask is eroded, but
_WIDEST_EDGE = 5  # by this many pixels at most
_ENOUGH = 16  # pixels of a core that can speak for the object


class LiftingError(ValueError):
    """Depth or intrinsics that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point of a rectified camera (pixels), (0, 0) the centre of the top left pixel.

    Raises LiftingError where a focal length is not positive, or anything is not finite.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        if not (self.fx > 0 and self.fy > 0 and all(map(math.isfinite, (self.fx, self.fy, self.cx, self.cy)))):
            raise LiftingError(
                f"intrinsics are fx {self.fx:g}, fy {self.fy:g}, cx {self.cx:g}, cy {self.cy:g} pixels, expected "
                "positive focal lengths: calibrate the camera, or let its driver fill camera_info"
            )


@dataclass(frozen=True)
class DepthImage:
    """Depth for every pixel of a frame: (H, W), metres as floats or millimetres as uint16 (REP 118)."""

    pixels: np.ndarray
    intrinsics: Intrinsics

    def only(self, mask: np.ndarray) -> np.ndarray:
        """(H, W) like `pixels`, with a measurement nowhere but in the mask (H, W) bool."""
        nothing = np.nan if self.pixels.dtype.kind == "f" else 0
        return np.where(mask, self.pixels, self.pixels.dtype.type(nothing))


@dataclass(frozen=True)
class Surface:
    """What is seen of one object."""

    points: np.ndarray  # (N, 3) float32, metres, N > 0; in order of `seen`
    window: tuple[slice, slice]  # rows and columns of the mask's box
    seen: np.ndarray  # (h, w) bool, the pixels of the window that the points belong to

    @property
    def centroid(self) -> np.ndarray:
        """(3,) float64, metres"""
        return self.points.mean(axis=0, dtype=np.float64)

    @property
    def extent(self) -> np.ndarray:
        """(3,) of the box around the points, along the axes, metres"""
        return np.ptp(self.points, axis=0)

    def transformed(self, matrix: np.ndarray) -> Surface:
        """In another frame of reference; `matrix` (4, 4) takes points there."""
        moved = matrix[:3, :3] @ self.points.T + matrix[:3, 3:]
        return replace(self, points=moved.astype(np.float32).T)


def lift(mask: np.ndarray, depth: DepthImage) -> Surface | None:
    """The surface of the object that a mask (H, W) bool shows; None where nothing of it is measured.

    At the edges of a mask depth is often that of the background, or of what hides the object. The core of the mask
    tells at which depths the object lies, and its pixels at other depths do not count: unlike a bare erosion this
    keeps the object's size, and unlike a bound on the distance from the median it keeps surfaces that are slanted.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    window = slice(int(box.y0), int(box.y1)), slice(int(box.x0), int(box.x1))
    inside, metres = mask[window], _in_metres(depth.pixels[window])
    measured = inside & (metres > 0)
    core = measured & _core(inside)
    if np.count_nonzero(core) < _ENOUGH:
        core = measured
    if not core.any():
        return None
    nearest, farthest = _largest_surface(metres[core])
    seen = measured & (metres >= nearest) & (metres <= farthest)
    return Surface(_points(metres, window, depth.intrinsics, seen), window, seen)


def project(point: np.ndarray, camera: Intrinsics) -> tuple[float, float]:
    """Pixel (x, y) that shows a point (3,) in metres, inside the image or not.

    Raises LiftingError for a point that is not before the camera.
    """
    x, y, z = map(float, point)
    if not z > 0:
        raise LiftingError(
            f"({x:g}, {y:g}, {z:g}) m is not before the camera, which looks along z: choose a point that it sees"
        )
    return camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy


def _points(metres: np.ndarray, window: tuple[slice, slice], camera: Intrinsics, seen: np.ndarray) -> np.ndarray:
    """(N, 3) float32, axis by axis in memory, which makes sums over all points twenty times faster."""
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in window)
    x = (columns - np.float32(camera.cx)) / np.float32(camera.fx) * metres
    y = ((rows - np.float32(camera.cy)) / np.float32(camera.fy))[:, None] * metres
    return np.stack([x[seen], y[seen], metres[seen]]).T


def _in_metres(pixels: np.ndarray) -> np.ndarray:
    """float32, 0 where nothing is measured"""
    metres = pixels.astype(np.float32)
    if pixels.dtype.kind == "u":
        return metres / _MILLIMETRES
    metres[~((metres > 0) & (metres < np.inf))] = 0
    return metres


def _core(inside: np.ndarray) -> np.ndarray:
    """The mask (H, W) bool without its edge."""
    edge = min(_WIDEST_EDGE, int(_CORE * math.sqrt(np.count_nonzero(inside))))
    kernel = np.ones((2 * edge + 1, 2 * edge + 1), np.uint8)
    eroded = cv2.erode(inside.view(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return eroded.view(bool)


def _largest_surface(depths: np.ndarray) -> tuple[float, float]:
    """Nearest and farthest depth (metres) of the surface that holds most of these depths (N,), and a jump beyond."""
    typical = float(np.median(depths[:: 1 + len(depths) // 1000]))
    jump = max(_LEAST_JUMP, _JUMP * typical)
    width = jump / 2  # of a bin; then a jump leaves one empty wherever it falls
    start = typical - _BINS / 2 * width  # below zero
    counts = np.bincount(np.clip((depths - start) / width, 0, _BINS - 1).astype(np.int32), minlength=_BINS)
    solid = np.concatenate([[0], counts > _LEAST_SHARE * len(depths), [0]]).astype(np.int8)
    firsts, ends = np.flatnonzero(np.diff(solid) > 0), np.flatnonzero(np.diff(solid) < 0)
    below = np.concatenate([[0], np.cumsum(counts)])
    largest = np.argmax(below[ends] - below[firsts])
    return start + firsts[largest] * width - jump, start + ends[largest] * width + jump
