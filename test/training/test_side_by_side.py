"""Pictures of the worst cases."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from sam2_ros.training.side_by_side import LEGEND, write_side_by_side


@pytest.mark.parametrize("size", [(48, 64), (270, 480), (480, 270)])
@pytest.mark.parametrize("count", [1, 6])
def test_all_frames_are_shown_above_a_legend(size: tuple[int, int], count: int, tmp_path: Path) -> None:
    tiles = {3 * i: np.full((*size, 3), (10, 200, 10), np.uint8) for i in range(count)}
    write_side_by_side(tmp_path / "worst.png", tiles, "dog, object 1")
    picture = cv2.imread(str(tmp_path / "worst.png"))
    assert picture is not None
    tile = (picture == (10, 200, 10)).all(axis=2)
    starts = np.diff(tile[tile.any(axis=1)][0].astype(int), prepend=0)
    assert np.count_nonzero(starts == 1) == count
    red, green, blue = (round(255 * value) for value in to_rgb(LEGEND[0].get_facecolor()))
    legend = (picture == (blue, green, red)).all(axis=2)
    assert legend.any() and np.nonzero(legend)[0].min() > np.nonzero(tile)[0].max()


def test_the_legend_names_prediction_and_truth() -> None:
    assert [entry.get_label() for entry in LEGEND] == ["predicted mask", "contour of the true mask"]
