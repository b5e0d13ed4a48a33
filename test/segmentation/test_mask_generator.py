"""Everything in an image. test/parity holds equality with the reference."""

import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sam2_ros.model import Sam2
from sam2_ros.segmentation import MaskGenerator, MaskGeneratorConfig, Segment
from sam2_ros.tracking.geometry import bounding_box, mask_iou

MANY = MaskGeneratorConfig(
    points_per_side=4,
    pred_iou_thresh=0.0,
    stability_score_thresh=0.0,
    stability_score_offset=0.01,
    box_nms_thresh=1.0,
)


@pytest.fixture(scope="module")
def segments(model: Sam2, rgb: np.ndarray) -> list[Segment]:
    return MaskGenerator(model, MANY).generate(rgb)


def found(model: Sam2, rgb: np.ndarray, **changes: Any) -> list[Segment]:
    return MaskGenerator(model, replace(MANY, **changes)).generate(rgb)


def test_every_click_finds_three_masks_if_all_are_good_enough(segments: list[Segment], rgb: np.ndarray) -> None:
    assert len(segments) == 3 * 16
    for segment in segments:
        assert segment.mask.shape == rgb.shape[:2] and segment.mask.dtype == bool
        assert segment.area == segment.mask.sum() > 0
        assert segment.box == bounding_box(segment.mask)
        assert 0 <= segment.predicted_iou <= 1 and 0 <= segment.stability_score <= 1
    assert {segment.point for segment in segments} == {
        (12.0 + 24 * x, 9.0 + 18 * y) for x in range(4) for y in range(4)
    }


def test_the_best_come_first(segments: list[Segment]) -> None:
    assert all(a.predicted_iou >= b.predicted_iou for a, b in pairwise(segments))


def test_masks_below_the_thresholds_are_left_out(model: Sam2, rgb: np.ndarray, segments: list[Segment]) -> None:
    iou = float(np.median([segment.predicted_iou for segment in segments]))
    stability = float(np.median([segment.stability_score for segment in segments]))
    good = {(s.point, s.area) for s in segments if s.predicted_iou > iou and s.stability_score >= stability}
    kept = found(model, rgb, pred_iou_thresh=iou, stability_score_thresh=stability)
    assert {(s.point, s.area) for s in kept} == good
    assert 0 < len(good) < len(segments)


def test_the_size_of_a_batch_does_not_matter(model: Sam2, rgb: np.ndarray, segments: list[Segment]) -> None:
    other = found(model, rgb, points_per_batch=5)
    assert [s.point for s in other] == [s.point for s in segments]
    assert all(mask_iou(a.mask, b.mask) > 0.99 for a, b in zip(other, segments))


def test_single_masks_and_refined_masks_are_other_masks(model: Sam2, rgb: np.ndarray, segments: list[Segment]) -> None:
    assert len(found(model, rgb, multimask_output=False)) == 16
    refined = found(model, rgb, use_m2m=True)
    assert len(refined) == len(segments)
    assert [s.area for s in refined] != [s.area for s in segments]


def test_duplicates_go(model: Sam2, rgb: np.ndarray, segments: list[Segment]) -> None:
    by_box = found(model, rgb, box_nms_thresh=0.5)
    by_mask = found(model, rgb, mask_nms_thresh=0.8)
    assert len(by_box) < len(segments) and len(by_mask) < len(segments)
    for i, a in enumerate(by_mask):
        assert all(mask_iou(a.mask, b.mask) <= 0.8 for b in by_mask[:i])
    for segment in segments:
        assert max(mask_iou(segment.mask, kept.mask) for kept in by_mask) > 0.8


def test_small_regions_are_cleaned(model: Sam2, rgb: np.ndarray) -> None:
    speckled = found(model, rgb, mask_threshold=0.1)
    cleaned = found(model, rgb, mask_threshold=0.1, min_mask_region_area=60)
    assert {s.area for s in cleaned} - {s.area for s in speckled}
    assert all(segment.box == bounding_box(segment.mask) for segment in cleaned)


def test_crops_find_more_and_masks_are_at_their_place_in_the_image(model: Sam2) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    whole = found(model, rgb, mask_threshold=0.12)
    crops = found(model, rgb, mask_threshold=0.12, crop_n_layers=1, crop_nms_thresh=1.0)
    assert len(crops) > len(whole)
    inner = [segment for segment in crops if segment.crop_box != crops[-1].crop_box]
    assert inner
    for segment in inner:
        box, crop = segment.box, segment.crop_box
        assert crop.x0 <= box.x0 < box.x1 <= crop.x1 and crop.y0 <= box.y0 < box.y1 <= crop.y1
        assert segment.mask.shape == (200, 300)


def test_nothing_good_is_an_empty_list(model: Sam2, rgb: np.ndarray) -> None:
    assert found(model, rgb, pred_iou_thresh=1.0) == []
    assert found(model, rgb, mask_threshold=1e6, min_mask_region_area=5, mask_nms_thresh=0.5, crop_n_layers=1) == []
    assert found(model, rgb, use_m2m=True, pred_iou_thresh=1.0) == []


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 2)])
def test_images_of_any_size_will_do(model: Sam2, size: tuple[int, int]) -> None:
    found(model, np.full((*size, 3), 90, np.uint8), crop_n_layers=1)


def test_the_work_is_done_in_steps_that_say_how_far_it_is(model: Sam2, rgb: np.ndarray) -> None:
    steps = list(MaskGenerator(model, replace(MANY, points_per_batch=4)).steps(rgb))
    assert steps == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_masks_of_a_4k_image_take_little_memory(model: Sam2) -> None:
    rgb = np.zeros((2160, 3840, 3), np.uint8)
    rgb[500:1500, 900:2500] = 200
    segments = found(model, rgb, points_per_side=2)
    assert len(segments) == 12
    assert sum(sys.getsizeof(segment.packed.bits) for segment in segments) < 12 * rgb[..., 0].size / 50


def test_what_is_no_image_is_refused(model: Sam2) -> None:
    with pytest.raises(ValueError, match="expected non-empty uint8"):
        MaskGenerator(model).generate(np.zeros((4, 4, 3), np.float32))


def test_defaults_are_those_of_the_reference() -> None:
    config = MaskGeneratorConfig()
    assert (config.points_per_side, config.points_per_batch, config.crop_n_layers) == (32, 64, 0)
    assert (config.pred_iou_thresh, config.stability_score_thresh, config.stability_score_offset) == (0.8, 0.95, 1.0)
    assert (config.box_nms_thresh, config.crop_nms_thresh, config.mask_threshold) == (0.7, 0.7, 0.0)
    assert config.crop_overlap_ratio == 512 / 1500 and config.crop_n_points_downscale_factor == 1
    assert (config.min_mask_region_area, config.use_m2m, config.multimask_output) == (0, False, True)
    assert config.mask_nms_thresh == 1  # off


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"points_per_side": 0}, "points_per_side is 0, expected a number from 1 on"),
        ({"points_per_batch": -1}, "points_per_batch is -1"),
        ({"pred_iou_thresh": 1.5}, r"pred_iou_thresh is 1.5, expected 0..1"),
        ({"crop_n_layers": -1}, "crop_n_layers is -1"),
        ({"min_mask_region_area": -3}, "min_mask_region_area is -3"),
        (
            {"points_per_side": 4, "crop_n_layers": 3, "crop_n_points_downscale_factor": 2},
            "expected at least 8: the last of 3 crop layers would have no points",
        ),
        ({"stability_score_offset": float("nan")}, "stability_score_offset is NaN"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        MaskGeneratorConfig(**changes)  # type: ignore[arg-type]


def test_parameters_of_another_type_are_refused() -> None:
    with pytest.raises(TypeError, match="points_per_side is 'many'"):
        MaskGeneratorConfig(points_per_side="many")  # type: ignore[arg-type]
