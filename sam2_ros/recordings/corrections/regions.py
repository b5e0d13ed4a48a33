"""The shapes of Label Studio's regions, in pixels of the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from sam2_ros.tracking.types import Box, Click

from .brush_rle import BrushError, decode_brush

Geometry = np.ndarray | Box | Click  # a mask (H, W) bool, a box, or a click

_PIXEL = 0.5  # from a pixel's corner, from which Label Studio measures, to its centre
_USABLE = "brush, polygon, rectangle or key point"


class RegionError(ValueError):
    """A region that cannot be used; the message says why."""


def geometry_of(result: Mapping[str, Any]) -> Geometry:
    """The shape of a region; values of Label Studio are percent of the image. Raises RegionError."""
    kind = str(result.get("type", "")).removesuffix("labels")
    try:
        size = int(result["original_height"]), int(result["original_width"])
        if result.get("image_rotation"):
            raise RegionError("it was drawn on a rotated image")
        if kind == "brush":
            return decode_brush(result["value"]["rle"], size)
        if kind == "polygon":
            return _filled(result["value"]["points"], size)
        if kind == "rectangle":
            return _box(result["value"], size)
        if kind == "keypoint":
            return _click(result, size)
    except BrushError as error:
        raise RegionError(str(error)) from error
    except (KeyError, TypeError, ValueError, OverflowError, cv2.error) as error:
        if isinstance(error, RegionError):
            raise
        raise RegionError(f"its {kind or 'shape'} is damaged ({type(error).__name__}: {error})") from error
    raise RegionError(f"it is of the type {result.get('type')!r}, expected {_USABLE}")


def _pixels(x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
    height, width = size
    return x / 100 * width, y / 100 * height


def _filled(points: Any, size: tuple[int, int]) -> np.ndarray:
    """Corners are centres of pixels that belong to the mask, as in what `outputs.polygons` writes."""
    height, width = size
    corners = np.round(np.asarray(points, float).reshape(-1, 2) * [width / 100, height / 100]).astype(np.int32)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [corners], 1)
    return mask > 0


def _box(value: Mapping[str, Any], size: tuple[int, int]) -> Box:
    """The box around it, where it is turned about its upper left corner."""
    (left, top), (width, height) = _pixels(value["x"], value["y"], size), _pixels(value["width"], value["height"], size)
    angle = math.radians(value.get("rotation", 0))
    right, down = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    corners = np.array([left, top]) + np.array([0 * right, width * right, height * down, width * right + height * down])
    (x0, y0), (x1, y1) = corners.min(axis=0) - _PIXEL, corners.max(axis=0) - _PIXEL
    return Box(x0, y0, x1, y1)


def _click(result: Mapping[str, Any], size: tuple[int, int]) -> Click:
    x, y = _pixels(result["value"]["x"], result["value"]["y"], size)
    is_positive = result.get("is_positive", result["value"].get("is_positive", True))
    return Click(max(x - _PIXEL, 0.0), max(y - _PIXEL, 0.0), bool(is_positive))
