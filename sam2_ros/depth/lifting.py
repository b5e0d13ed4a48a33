"""Back-projects masks with depth: the visible surface of each object as 3-D points.

Points are in the camera's optical frame (REP 103: x to the right, y down, z forward), in metres. Depth is measured
along z; NaN, infinite, zero or negative values are no measurements (REP 117, REP 118).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..tracking.geometry import bounding_box

_MILLIMETRES = np.float32(1000.0)  # per metre

# A surface is continuous in depth: a jump of 2 % of the distance, and of at least 1 cm, separates two surfaces.
_JUMP = 0.02
_MIN_JUMP = 0.01  # metres
_BINS = 800  # of the depth histogram, each half a jump wide; at least one holds `_MIN_SHARE` of the pixels
_MIN_SHARE = 0.001  # of an object's pixels; bins with fewer hold stray pixels between two surfaces
_EDGE = 0.1  # width of the edge that erosion removes, of the square root of the mask's area
_MAX_EDGE = 5  # pixels
_MIN_CORE = 16  # measured pixels of the eroded mask


class LiftingError(ValueError):
    """Depth or intrinsics that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole model of a rectified camera: focal lengths and principal point (pixels).

    (0, 0) is the centre of the top left pixel.

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
    """Depth of every pixel of a frame: (H, W), metres as floats or millimetres as uint16 (REP 118)."""

    pixels: np.ndarray
    intrinsics: Intrinsics

    def masked(self, mask: np.ndarray) -> np.ndarray:
        """(H, W) like `pixels`, without measurements outside the mask (H, W) bool: NaN, or 0 for integers."""
        unmeasured = np.nan if self.pixels.dtype.kind == "f" else 0
        return np.where(mask, self.pixels, self.pixels.dtype.type(unmeasured))


@dataclass(frozen=True)
class Surface:
    """The visible surface of one object, as an organized point cloud: `valid` says which pixels have a point."""

    points: np.ndarray  # (N, 3) float32, metres, N > 0; row by row of `valid`
    window: tuple[slice, slice]  # rows and columns of the mask's bounding box
    valid: np.ndarray  # (h, w) bool, the pixels of the window that have a point

    @property
    def centroid(self) -> np.ndarray:
        """(3,) float64, mean of the points, metres."""
        centroid: np.ndarray = self.points.mean(axis=0, dtype=np.float64)
        return centroid

    @property
    def extent(self) -> np.ndarray:
        """(3,) sides of the axis-aligned bounding box, metres."""
        extent: np.ndarray = np.ptp(self.points, axis=0)
        return extent

    def transformed(self, matrix: np.ndarray) -> Surface:
        """The surface in another coordinate frame, by the homogeneous transform `matrix` (4, 4) into it."""
        moved = matrix[:3, :3] @ self.points.T + matrix[:3, 3:]
        return replace(self, points=moved.astype(np.float32).T)


def lift(mask: np.ndarray, depth: DepthImage) -> Surface | None:
    """The visible surface of the object with this mask (H, W) bool; None where none of it is measured.

    At the edges of a mask, depth is often that of the background or of an occluder. The eroded mask gives the range of
    the object's depths, and pixels of the whole mask outside that range are left out. Unlike erosion alone this keeps
    the object's size, and unlike a bound on the distance from the median it keeps slanted surfaces.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    window = slice(int(box.y0), int(box.y1)), slice(int(box.x0), int(box.x1))
    inside, metres = mask[window], _in_metres(depth.pixels[window])
    measured = inside & (metres > 0)
    core = measured & _core(inside)
    if np.count_nonzero(core) < _MIN_CORE:
        core = measured
    if not core.any():
        return None
    nearest, farthest = _largest_surface(metres[core])
    valid = measured & (metres >= nearest) & (metres <= farthest)
    return Surface(_points(metres, window, depth.intrinsics, valid), window, valid)


def project(point: np.ndarray, camera: Intrinsics) -> tuple[float, float]:
    """Pinhole projection of a point (3,) in metres to a pixel (x, y), which may be outside the image.

    Raises LiftingError for a point that is not in front of the camera.
    """
    x, y, z = map(float, point)
    if not z > 0:
        raise LiftingError(
            f"({x:g}, {y:g}, {z:g}) m is not in front of the camera, expected z > 0: choose one that the camera sees"
        )
    return camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy


def _points(metres: np.ndarray, window: tuple[slice, slice], camera: Intrinsics, valid: np.ndarray) -> np.ndarray:
    """(N, 3) float32 in column-major order, which makes sums over all points twenty times faster."""
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in window)
    x = (columns - np.float32(camera.cx)) / np.float32(camera.fx) * metres
    y = ((rows - np.float32(camera.cy)) / np.float32(camera.fy))[:, None] * metres
    return np.stack([x[valid], y[valid], metres[valid]]).T


def _in_metres(pixels: np.ndarray) -> np.ndarray:
    """float32, 0 where there is no measurement."""
    metres = pixels.astype(np.float32)
    if pixels.dtype.kind == "u":
        return metres / _MILLIMETRES
    metres[~((metres > 0) & (metres < np.inf))] = 0
    return metres


def _core(inside: np.ndarray) -> np.ndarray:
    """The eroded mask (H, W) bool."""
    edge = min(_MAX_EDGE, int(_EDGE * math.sqrt(np.count_nonzero(inside))))
    kernel = np.ones((2 * edge + 1, 2 * edge + 1), np.uint8)
    eroded: np.ndarray = cv2.erode(inside.view(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return eroded.view(bool)


def _largest_surface(depths: np.ndarray) -> tuple[float, float]:
    """Range (metres) of the largest surface among depths (N,), extended by a jump on both sides.

    In a histogram of the depths, surfaces are runs of bins; the one with most pixels is the largest.
    """
    typical = float(np.median(depths[:: 1 + len(depths) // 1000]))
    jump = max(_MIN_JUMP, _JUMP * typical)
    width = jump / 2  # of a bin, so that a jump leaves at least one bin empty
    start = typical - _BINS / 2 * width  # below zero
    counts = np.bincount(np.clip((depths - start) / width, 0, _BINS - 1).astype(np.int32), minlength=_BINS)
    solid = np.concatenate([[0], counts > _MIN_SHARE * len(depths), [0]]).astype(np.int8)
    firsts, ends = np.flatnonzero(np.diff(solid) > 0), np.flatnonzero(np.diff(solid) < 0)
    below = np.concatenate([[0], np.cumsum(counts)])
    largest = np.argmax(below[ends] - below[firsts])
    return start + firsts[largest] * width - jump, start + ends[largest] * width + jump
