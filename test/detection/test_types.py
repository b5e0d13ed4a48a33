"""Which boxes of a detector can be used."""

import math
from collections import Counter

import pytest

from sam2_ros.detection.types import Detection, DetectionConfig, Ignored, filter_detections
from sam2_ros.tracking import Box

SIZE = (100, 200)
BOX = Box(10, 10, 40, 40)


def sifted(*detections: Detection, **config: object) -> tuple[list[Detection], Counter[Ignored]]:
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
        (Detection(BOX, 0.49, "cup"), Ignored.SCORE),
        (Detection(BOX, -1.0, "cup"), Ignored.UNSCORED),
        (Detection(BOX, 0.9, "person"), Ignored.CLASS),
        (Detection(BOX, 0.9, "41"), Ignored.NUMBERED),
    ],
)
def test_a_box_that_cannot_be_used_is_counted_by_its_reason(detection: Detection, reason: Ignored) -> None:
    good = Detection(BOX, 0.9, "cup")
    assert sifted(detection, good, classes=("cup",)) == ([good], Counter({reason: 1}))


def test_a_box_of_a_thin_or_tiny_object_is_in_pixels() -> None:
    for box in (Box(10, 10, 11, 40), Box(10, 10, 12, 12)):
        assert len(sifted(Detection(box, 0.9, "cup"))[0]) == 1


def test_boxes_without_scores_count_where_no_score_is_asked_for() -> None:
    for score in (0.0, -1.0):
        assert len(sifted(Detection(BOX, score, "cup"), min_score=0.0)[0]) == 1


def test_names_where_numbers_are_asked_for_are_counted_as_such() -> None:
    assert sifted(Detection(BOX, 0.9, "cup"), classes=("41", "42"))[1] == {Ignored.NAMED: 1}
    assert sifted(Detection(BOX, 0.9, "cup"), classes=("41", "bowl"))[1] == {Ignored.CLASS: 1}
    assert sifted(Detection(BOX, 0.9, "43"), classes=("41", "bowl"))[1] == {Ignored.CLASS: 1}


def test_boxes_are_clipped_to_the_image() -> None:
    ((kept,), _) = sifted(Detection(Box(-20, 50, 300, 140), 0.9, "cup"))
    assert kept.box == Box(0, 50, 200, 100)


def test_classes_are_compared_without_regard_to_case() -> None:
    kept, _ = sifted(Detection(BOX, 0.9, "Coffee Cup "), classes=("coffee cup", "bowl"))
    assert [detection.label for detection in kept] == ["Coffee Cup "]


def test_without_a_list_every_class_counts() -> None:
    assert len(sifted(Detection(BOX, 0.9, ""), Detection(Box(60, 10, 90, 40), 0.9, "17"))[0]) == 2


def test_of_thousands_the_best_are_looked_at() -> None:
    many = [
        Detection(Box(x, y, x + 2, y + 2), 0.5 + x / 1000, "cup") for x in range(0, 198, 2) for y in range(0, 98, 2)
    ]
    kept, ignored = sifted(*many, max_boxes=100)
    assert len(kept) == 100 and ignored == {Ignored.SURPLUS: len(many) - 100}
    assert min(detection.score for detection in kept) > 0.68


def test_of_boxes_on_the_same_object_the_best_counts() -> None:
    best, copy = Detection(BOX, 0.9, "cup"), Detection(Box(11, 10, 41, 40), 0.8, "cup")
    other = Detection(BOX, 0.7, "bowl")
    assert sifted(copy, best, other) == ([best, other], Counter({Ignored.REPEATED: 1}))


@pytest.mark.parametrize(
    "wrong",
    [{"min_hits": 0}, {"max_boxes": 0}, {"max_per_class": -1}, {"retire_after": -1.0}]
    + [{"match_overlap": 0.0}, {"match_overlap": 0.6}, {"drift_overlap": 1.1}, {"duplicate_overlap": 0.0}],
)
def test_a_setting_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        DetectionConfig(**wrong)
