"""The bundled model, and images that it tracks reliably: plain squares on a smooth background."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from sam2_ros.model import load_model
from sam2_ros.model.sam2 import Sam2

COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (30, 180, 60), "orange": (250, 150, 30)}
Square = tuple[str, int, int, int]  # colour, centre, half a side (pixels)


@pytest.fixture(scope="session")
def nano() -> Sam2:
    return load_model("nano")


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    """(240, 320, 3) uint8 with these squares, the last one in front."""
    background = np.random.default_rng(0).integers(90, 150, (240, 320, 3), np.uint8)
    background = cv2.GaussianBlur(background, (0, 0), 3)

    def paint(*squares: Square) -> np.ndarray:
        rgb = background.copy()
        for colour, x, y, half in squares:
            cv2.rectangle(rgb, (x - half, y - half), (x + half, y + half), COLOURS[colour], -1)
        return rgb

    return paint
