"""Crops cover the image, overlap, and have grids of their own."""

import numpy as np
import pytest

from sam2_ros.segmentation import MaskGeneratorConfig
from sam2_ros.segmentation.crops import Crop, crops, grid


def test_layer_n_has_four_to_the_n_crops_that_cover_the_image() -> None:
    found = list(crops((90, 120), MaskGeneratorConfig(crop_n_layers=2)))
    assert [crop.layer for crop in found] == [0] + [1] * 4 + [2] * 16
    assert found[0].edges == (0, 0, 120, 90)
    for layer in (1, 2):
        covered = np.zeros((90, 120), int)
        for crop in found:
            if crop.layer == layer:
                crop.of(covered)[...] += 1
        assert covered.min() == 1 and covered.max() >= 4


def test_crops_overlap_by_a_part_of_the_shorter_side() -> None:
    config = MaskGeneratorConfig(crop_n_layers=1, crop_overlap_ratio=0.2)
    lefts = sorted({(crop.x0, crop.x1) for crop in crops((100, 200), config) if crop.layer == 1})
    assert lefts == [(0, 110), (90, 200)]  # 20 of 100 pixels


def test_an_image_that_is_too_small_for_all_crops_has_no_empty_ones() -> None:
    for size in ((1, 1), (3, 3), (2, 50)):
        for crop in crops(size, MaskGeneratorConfig(crop_n_layers=3)):
            assert min(crop.size) > 0


def test_a_grid_has_its_points_in_the_middle_of_equal_cells() -> None:
    points = grid(Crop(0, 10, 20, 110, 60), MaskGeneratorConfig(points_per_side=2))
    assert points.tolist() == [[25, 10], [75, 10], [25, 30], [75, 30]]


def test_deeper_layers_may_have_fewer_points() -> None:
    config = MaskGeneratorConfig(points_per_side=8, crop_n_layers=2, crop_n_points_downscale_factor=2)
    assert [len(grid(Crop(layer, 0, 0, 9, 9), config)) for layer in range(3)] == [64, 16, 4]


@pytest.mark.parametrize(
    ("box", "is_cut"),
    [
        ((40, 30, 79, 59), False),
        ((40, 30, 95, 59), True),  # within 20 pixels of the crop's right edge
        ((5, 5, 60, 59), False),  # at edges that are the image's, too
    ],
)
def test_a_mask_that_ends_where_its_crop_does_is_cut_off(box: tuple[int, ...], is_cut: bool) -> None:
    crop = Crop(1, 0, 0, 100, 120)
    assert crop.cuts(np.array([box]), (200, 200)).tolist() == [is_cut]
