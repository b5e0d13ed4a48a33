"""Boxes of a detector are filtered, and what is ignored is counted by reason."""

import math
from collections import Counter
from typing import Any

import pytest

from sam2_ros.detection.types import Detection, DetectionConfig, Ignored, filter_detections
from sam2_ros.tracking import Box

SIZE = (100, 200)
BOX = Box(10, 10, 40, 40)


def filtered(*detections: Detection, **config: Any) -> tuple[list[Detection], Counter[Ignored]]:
    ignored: Counter[Ignored] = Counter()
    return filter_detections(detections, SIZE, DetectionConfig(**config), ignored), ignored


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        (Detection(BOX, math.nan, "cup"), Ignored.NOT_FINITE),
        (Detection(Box(10, math.inf, 40, 40), 0.9, "cup"), Ignored.NOT_FINITE),
        (Detection(Box(math.nan, 10, 40, 40), 0.9, "cup"), Ignored.NOT_FINITE),
        (Detection(Box(10, 10, 10, 40), 0.9, "cup"), Ignored.EMPTY),
        (Detection(Box(40, 10, 10, 40), 0.9, "cup"), Ignored.EMPTY),
        (Detection(Box(200, 10, 240, 40), 0.9, "cup"), Ignored.OUTSIDE),
        (Detection(Box(10, -40, 40, -10), 0.9, "cup"), Ignored.OUTSIDE),
        (Detection(Box(0.2, 0.3, 0.4, 0.7), 0.9, "cup"), Ignored.NORMALISED),
        (Detection(Box(0.0, 0.0, 1.0, 1.0), 0.9, "cup"), Ignored.NORMALISED),
        (Detection(BOX, 0.0, "cup"), Ignored.UNSCORED),
        (Detection(BOX, 0.49, "cup"), Ignored.LOW_SCORE),
        (Detection(BOX, -1.0, "cup"), Ignored.UNSCORED),
        (Detection(BOX, 0.9, "person"), Ignored.OTHER_CLASS),
        (Detection(BOX, 0.9, "41"), Ignored.NUMBERED),
    ],
)
def test_an_unusable_box_is_counted_by_its_reason(detection: Detection, reason: Ignored) -> None:
    good = Detection(BOX, 0.9, "cup")
    assert filtered(detection, good, classes=("cup",)) == ([good], Counter({reason: 1}))


def test_thin_and_tiny_boxes_are_not_taken_for_normalised_ones() -> None:
    for box in (Box(10, 10, 11, 40), Box(10, 10, 12, 12)):
        assert len(filtered(Detection(box, 0.9, "cup"))[0]) == 1


def test_boxes_without_a_score_are_used_where_min_score_is_0() -> None:
    for score in (0.0, -1.0):
        assert len(filtered(Detection(BOX, score, "cup"), min_score=0.0)[0]) == 1


def test_names_where_numbers_are_asked_for_are_counted_as_such() -> None:
    assert filtered(Detection(BOX, 0.9, "cup"), classes=("41", "42"))[1] == {Ignored.NAMED: 1}
    assert filtered(Detection(BOX, 0.9, "cup"), classes=("41", "bowl"))[1] == {Ignored.OTHER_CLASS: 1}
    assert filtered(Detection(BOX, 0.9, "43"), classes=("41", "bowl"))[1] == {Ignored.OTHER_CLASS: 1}


def test_boxes_are_clipped_to_the_image() -> None:
    ((kept,), _) = filtered(Detection(Box(-20, 50, 300, 140), 0.9, "cup"))
    assert kept.box == Box(0, 50, 200, 100)


def test_classes_are_compared_case_insensitively() -> None:
    kept, _ = filtered(Detection(BOX, 0.9, "Coffee Cup "), classes=("coffee cup", "bowl"))
    assert [detection.label for detection in kept] == ["Coffee Cup "]


def test_an_empty_list_of_classes_allows_every_class() -> None:
    assert len(filtered(Detection(BOX, 0.9, ""), Detection(Box(60, 10, 90, 40), 0.9, "17"))[0]) == 2


def test_only_the_max_boxes_with_the_highest_scores_are_used() -> None:
    many = [
        Detection(Box(x, y, x + 2, y + 2), 0.5 + x / 1000, "cup") for x in range(0, 198, 2) for y in range(0, 98, 2)
    ]
    kept, ignored = filtered(*many, max_boxes=100)
    assert len(kept) == 100 and ignored == {Ignored.SURPLUS: len(many) - 100}
    assert min(detection.score for detection in kept) > 0.68


def test_of_duplicates_the_box_with_the_highest_score_is_used() -> None:
    best, copy = Detection(BOX, 0.9, "cup"), Detection(Box(11, 10, 41, 40), 0.8, "cup")
    other = Detection(BOX, 0.7, "bowl")
    assert filtered(copy, best, other) == ([best, other], Counter({Ignored.DUPLICATE: 1}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_hits": 0},
        {"max_boxes": 0},
        {"max_per_class": -1},
        {"retire_after": -1.0},
        {"match_overlap": 0.0},
        {"match_overlap": 0.6},
        {"drift_overlap": 1.1},
        {"duplicate_overlap": 0.0},
    ],
)
def test_an_invalid_setting_is_refused_with_the_expected_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        DetectionConfig(**wrong)
