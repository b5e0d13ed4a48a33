"""Masks as polygons through the centres of their outermost pixels; holes are filled."""

from __future__ import annotations

import cv2
import numpy as np

from .common import as_uint8

_MIN_POINTS = 3


def polygons_of(mask: np.ndarray) -> list[np.ndarray]:
    """(H, W) bool -> one (N, 2) int32 of x and y for each connected part, the largest first, at least 3 points each."""
    contours, _ = cv2.findContours(as_uint8(mask), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contours = sorted((contour[:, 0] for contour in contours), key=cv2.contourArea, reverse=True)
    return [np.resize(contour, (max(len(contour), _MIN_POINTS), 2)) for contour in contours]


def joined_polygon(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool -> a single (N, 2) int32; parts are joined by lines of no width, as YOLO's format needs it."""
    joined, *others = polygons_of(mask)
    for part in others:
        distances = np.abs(joined[:, None] - part[None]).sum(axis=2)
        at, start = np.unravel_index(distances.argmin(), distances.shape)
        detour = np.concatenate([np.roll(part, -start, axis=0), part[start : start + 1], joined[at : at + 1]])
        joined = np.insert(joined, at + 1, detour, axis=0)
    return joined
