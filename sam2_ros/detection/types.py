"""What a detector says of an image, and which of its boxes can be used."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ..tracking.geometry import clip_box, pairwise_box_iou
from ..tracking.types import Box

_TOO_SMALL = 1.5  # pixels; a box in shares of the image has sides of at most 1


@dataclass(frozen=True)
class Detection:
    """What a detector found on an image."""

    box: Box  # pixels
    score: float  # 0..1
    label: str  # its class, a name or whatever else the detector calls it

    @property
    def class_id(self) -> str:
        """The class as it is compared: see `class_id_of`."""
        return class_id_of(self.label)


def class_id_of(label: str) -> str:
    """A label as it is compared with others: case-insensitive."""
    return label.strip().casefold()


@dataclass(frozen=True)
class DetectionConfig:
    """What is made of a detector's boxes. Overlaps are intersections over unions, 0..1."""

    min_score: float = 0.5
    min_hits: int = 3  # arrays of detections in which an object, or a disagreement, has to be seen
    classes: Collection[str] = ()  # that count, without regard to case; empty: all
    max_per_class: int = 0  # objects of one class that are followed, lost ones not counted; 0: any number
    retire_after: float = 0.0  # seconds without a box after which an object is removed that a box started; 0: never
    match_overlap: float = 0.3  # of a box and the box around a mask from which both are one object
    drift_overlap: float = 0.5  # below it a match is a disagreement
    duplicate_overlap: float = 0.7  # of two boxes of a class, or two masks, from which they are one object
    max_boxes: int = 100  # that are looked at per array, the best ones

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
    """Why a box came to nothing."""

    NOT_FINITE = "not a number"
    EMPTY = "empty"
    OUTSIDE = "outside the image"
    NORMALISED = "within one pixel, as if given in 0..1"
    UNSCORED = "with score 0 or below"
    SCORE = "score too low"
    CLASS = "class not asked for"
    NUMBERED = "of a class given by its number, where detection_classes has names"
    NAMED = "of a class given by its name, where detection_classes has numbers"
    SURPLUS = "too many boxes"
    REPEATED = "repeats a better box"
    NOTHING = "the model finds no object that fills the box, or is not sure of it"
    FOLLOWED = "followed already"
    CLASS_FULL = "max_per_class objects of its class are followed"
    TRACKER_FULL = "max_objects objects are followed"


@dataclass(frozen=True)
class DetectionReport:
    """What the detections of one image led to."""

    stamp: float  # of that image, seconds
    boxes: int  # as many as came
    matched: int  # that fit an object
    waiting: int  # things that were seen but not often enough
    started: tuple[int, ...]  # ids
    corrected: tuple[int, ...]
    returned: tuple[int, ...]  # vanished, and found again by a box
    retired: tuple[int, ...]
    ignored: Mapping[Ignored, int]  # boxes by reason


def filter_detections(
    detections: Sequence[Detection], size: tuple[int, int], config: DetectionConfig, ignored: Counter[Ignored]
) -> list[Detection]:
    """Those that can be used on an image of `size` (H, W), the best first, their boxes clipped to it.

    The others are counted in `ignored`.
    """
    wanted = {class_id_of(name) for name in config.classes}
    usable = []
    for detection in detections:
        box = clip_box(detection.box, size)
        if reason := _fault(detection, box):
            ignored[reason] += 1
        elif wanted and detection.class_id not in wanted:
            ignored[_class_fault(detection.class_id, wanted)] += 1
        elif max(detection.score, 0.0) < config.min_score:  # -1 stands for a score that is not known
            ignored[Ignored.SCORE if detection.score > 0 else Ignored.UNSCORED] += 1
        else:
            usable.append(Detection(box, detection.score, detection.label))
    usable.sort(key=lambda detection: -detection.score)
    if len(usable) > config.max_boxes:
        ignored[Ignored.SURPLUS] += len(usable) - config.max_boxes
    kept: list[Detection] = []
    for detection in usable[: config.max_boxes]:
        rivals = [other.box for other in kept if other.class_id == detection.class_id]
        if rivals and pairwise_box_iou([detection.box], rivals).max() >= config.duplicate_overlap:
            ignored[Ignored.REPEATED] += 1
        else:
            kept.append(detection)
    return kept


def _fault(detection: Detection, clipped: Box) -> Ignored | None:
    box = detection.box
    if not all(map(math.isfinite, (detection.score, box.x0, box.y0, box.x1, box.y1))):
        return Ignored.NOT_FINITE
    if box.x1 <= box.x0 or box.y1 <= box.y0:
        return Ignored.EMPTY
    if max(box.x1 - box.x0, box.y1 - box.y0) < _TOO_SMALL:
        return Ignored.NORMALISED
    return Ignored.OUTSIDE if clipped.x1 <= clipped.x0 or clipped.y1 <= clipped.y0 else None


def _class_fault(class_id: str, wanted: Collection[str]) -> Ignored:
    """Numbers and names never meet, which is a mistake; another class is none."""
    numbered = sum(name.isdecimal() for name in wanted)
    if class_id.isdecimal() and not numbered:
        return Ignored.NUMBERED
    return Ignored.NAMED if numbered == len(wanted) and not class_id.isdecimal() else Ignored.CLASS
