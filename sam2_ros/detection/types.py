"""A detector's boxes, and which of them are used."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ..tracking.geometry import clip_box, pairwise_box_iou
from ..tracking.types import Box

_MIN_SIDE = 1.5  # pixels; a box in fractions of the image has sides of at most 1


@dataclass(frozen=True)
class Detection:
    """One box of a detector."""

    box: Box  # pixels
    score: float  # 0..1
    label: str  # its class: a name or an id, as the detector gives it

    @property
    def class_id(self) -> str:
        """The normalised label, see `class_id_of`."""
        return class_id_of(self.label)


def class_id_of(label: str) -> str:
    """A label without case and surrounding blanks: equal for equal classes."""
    return label.strip().casefold()


@dataclass(frozen=True)
class DetectionConfig:
    """How boxes are filtered and associated. Overlaps are IoUs, 0..1. Raises ValueError."""

    min_score: float = 0.5
    min_hits: int = 3  # arrays of detections that confirm a new object, or a disagreement of box and mask
    classes: Collection[str] = ()  # classes to track, case-insensitive; empty: all
    max_per_class: int = 0  # tracked objects of one class, lost ones not counted; 0: no limit
    retire_after: float = 0.0  # seconds without a box after which an object that a box started is removed; 0: never
    match_overlap: float = 0.3  # of a box and the box around a mask, from which on both are one object
    drift_overlap: float = 0.5  # of a match, below which box and mask disagree
    duplicate_overlap: float = 0.7  # of two boxes of a class, or two masks, from which on they are one object
    max_boxes: int = 100  # of an array, those with the highest scores

    def __post_init__(self) -> None:
        if self.min_hits < 1 or self.max_boxes < 1 or self.max_per_class < 0 or self.retire_after < 0:
            raise ValueError(
                f"min_hits is {self.min_hits}, max_boxes {self.max_boxes}, max_per_class {self.max_per_class}, "
                f"retire_after {self.retire_after:g}: expected at least 1, 1, 0, 0"
            )
        if not 0 < self.match_overlap <= self.drift_overlap <= 1 or not 0 < self.duplicate_overlap <= 1:
            raise ValueError(
                f"match_overlap is {self.match_overlap:g}, drift_overlap {self.drift_overlap:g}, duplicate_overlap "
                f"{self.duplicate_overlap:g}: expected 0 < match_overlap <= drift_overlap <= 1 and 0 < "
                "duplicate_overlap <= 1"
            )


class Ignored(Enum):
    """Why a box was ignored; the value follows a count: "3 outside the image"."""

    NOT_FINITE = "not finite"
    EMPTY = "empty"
    OUTSIDE = "outside the image"
    NORMALISED = "within one pixel (0..1 instead of pixels?)"
    UNSCORED = "with score 0 or below"
    LOW_SCORE = "with a score below detection_min_score"
    OTHER_CLASS = "of a class not in detection_classes"
    NUMBERED = "of a class given by its number, where detection_classes has names"
    NAMED = "of a class given by its name, where detection_classes has numbers"
    SURPLUS = "beyond the limit of boxes per array"
    DUPLICATE = "duplicates of a box with a higher score"
    NO_OBJECT = "in which the model finds no object that fills it"
    ALREADY_TRACKED = "on an object that is tracked already"
    CLASS_FULL = "because detection_max_per_class objects of the class are tracked"
    TRACKER_FULL = "because max_objects objects are tracked"


@dataclass(frozen=True)
class DetectionReport:
    """The outcome of one array of detections."""

    stamp: float  # of its image, seconds
    boxes: int  # in the array
    matched: int  # boxes that belong to a track
    pending: int  # detected objects that are not confirmed yet
    started: tuple[int, ...]  # track ids
    corrected: tuple[int, ...]
    returned: tuple[int, ...]  # absent objects that a box found again
    retired: tuple[int, ...]
    ignored: Mapping[Ignored, int]  # boxes by reason


def filter_detections(
    detections: Sequence[Detection], size: tuple[int, int], config: DetectionConfig, ignored: Counter[Ignored]
) -> list[Detection]:
    """The usable detections on an image of `size` (H, W), highest scores first, boxes clipped to the image.

    The others are counted in `ignored`.
    """
    classes = {class_id_of(name) for name in config.classes}
    usable = []
    for detection in detections:
        box = clip_box(detection.box, size)
        if reason := _fault(detection, box):
            ignored[reason] += 1
        elif classes and detection.class_id not in classes:
            ignored[_class_fault(detection.class_id, classes)] += 1
        elif max(detection.score, 0.0) < config.min_score:  # -1 stands for a score that is not known
            ignored[Ignored.LOW_SCORE if detection.score > 0 else Ignored.UNSCORED] += 1
        else:
            usable.append(Detection(box, detection.score, detection.label))
    usable.sort(key=lambda detection: -detection.score)
    if len(usable) > config.max_boxes:
        ignored[Ignored.SURPLUS] += len(usable) - config.max_boxes
    kept: list[Detection] = []
    for detection in usable[: config.max_boxes]:
        same_class = [other.box for other in kept if other.class_id == detection.class_id]
        if same_class and pairwise_box_iou([detection.box], same_class).max() >= config.duplicate_overlap:
            ignored[Ignored.DUPLICATE] += 1
        else:
            kept.append(detection)
    return kept


def _fault(detection: Detection, clipped: Box) -> Ignored | None:
    box = detection.box
    if not all(map(math.isfinite, (detection.score, box.x0, box.y0, box.x1, box.y1))):
        return Ignored.NOT_FINITE
    if box.x1 <= box.x0 or box.y1 <= box.y0:
        return Ignored.EMPTY
    if max(box.x1 - box.x0, box.y1 - box.y0) < _MIN_SIDE:
        return Ignored.NORMALISED
    return Ignored.OUTSIDE if clipped.x1 <= clipped.x0 or clipped.y1 <= clipped.y0 else None


def _class_fault(class_id: str, wanted: Collection[str]) -> Ignored:
    """Numbers and names never meet, which is a mistake; another class is none."""
    numbered = sum(name.isdecimal() for name in wanted)
    if class_id.isdecimal() and not numbered:
        return Ignored.NUMBERED
    return Ignored.NAMED if numbered == len(wanted) and not class_id.isdecimal() else Ignored.OTHER_CLASS
