"""Small holes are filled, small islands removed."""

import numpy as np
import pytest

from sam2_ros.segmentation.regions import clean


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((40, 40), bool)
    mask[5:30, 5:30] = True
    return mask


def test_a_small_hole_is_filled_and_a_large_one_is_not(mask: np.ndarray) -> None:
    whole = mask.copy()
    mask[10:12, 10:12] = False
    whole[16:24, 16:24] = mask[16:24, 16:24] = False
    assert (clean(mask, 5) == whole).all()


def test_a_small_island_is_removed_and_a_large_one_is_not(mask: np.ndarray) -> None:
    mask[34:40, 34:40] = True
    whole = mask.copy()
    mask[33, 2:4] = True
    assert (clean(mask, 5) == whole).all()


def test_regions_that_touch_at_a_corner_are_one(mask: np.ndarray) -> None:
    mask[30, 30] = True
    assert clean(mask, 5) is mask


def test_a_region_of_exactly_the_least_area_stays(mask: np.ndarray) -> None:
    mask[33, 2:7] = True
    assert clean(mask, 5) is mask
    assert not clean(mask, 6)[33].any()


def test_of_small_islands_alone_the_largest_stays() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2, 2], mask[8, 3:6], mask[15, 15:17] = True, True, True
    assert np.argwhere(clean(mask, 10)).tolist() == [[8, 3], [8, 4], [8, 5]]


@pytest.mark.parametrize("value", [False, True])
def test_plain_masks_stay(value: bool) -> None:
    mask = np.full((8, 8), value)
    assert clean(mask, 3) is mask
