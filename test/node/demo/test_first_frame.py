"""The first frame with a pixel grid."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.node.demo.first_frame import write_first_frame


def picture(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


@pytest.mark.parametrize("size", [(96, 128), (1080, 1920), (1920, 1080), (16, 400)])
def test_the_frame_has_a_grid_in_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    write_first_frame(picture(*size), tmp_path / "frame.png")
    written = cv2.imread(str(tmp_path / "frame.png"))
    assert written is not None
    assert min(written.shape[:2]) >= 300
    frame, lines = (written == 90).all(axis=2), (written > 150).all(axis=2)
    assert frame.any() and lines[frame.any(axis=1)][:, frame.any(axis=0)].any()


def test_the_click_is_yellow(tmp_path: Path) -> None:
    def yellow_pixels(click: tuple[float, float] | None) -> int:
        write_first_frame(picture(96, 128), tmp_path / "frame.png", click)
        written = cv2.imread(str(tmp_path / "frame.png"))
        assert written is not None
        return int((written == (0, 255, 255)).all(axis=2).sum())

    assert yellow_pixels(None) == 0
    assert yellow_pixels((20, 45)) > 20


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        write_first_frame(picture(96, 128), tmp_path / "nowhere" / "frame.png")
    assert str(caught.value.filename) == str(tmp_path / "nowhere" / "frame.png")
