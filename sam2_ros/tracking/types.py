"""Inputs and outputs of the tracker.

Pixels are those of the frame that was given to the tracker: x to the right, y down, (0, 0) the centre of the
top left pixel. Stamps are seconds on the clock of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from .arguments import elements, is_sequence, number, shown
from .errors import PromptError, StampError
from .mask_prompts import to_mask

__all__ = [
    "Box",
    "Click",
    "Event",
    "EventKind",
    "FrameResult",
    "Preview",
    "Prompt",
    "PromptError",
    "StampError",
    "Track",
    "TrackState",
]


@dataclass(frozen=True)
class Click:
    """A point on the object, or beside it if not positive (pixels). Raises TypeError for anything but numbers."""

    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        for name in ("x", "y"):
            object.__setattr__(self, name, number(getattr(self, name), f"{name} of a click"))
        sign = number(self.positive, "positive of a click")
        if sign not in (0.0, 1.0):
            raise PromptError(f"positive of a click is {sign:g}, expected True (on the object) or False (beside it)")
        object.__setattr__(self, "positive", sign == 1.0)


@dataclass(frozen=True)
class Box:
    """Left, top, right and bottom edge (pixels). Raises TypeError for anything but numbers."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        for name in ("x0", "y0", "x1", "y1"):
            object.__setattr__(self, name, number(getattr(self, name), f"{name} of a box"))


@dataclass(frozen=True)
class Prompt:
    """Selects an object: by clicks, a box, both, or a mask alone, of the frame's size.

    Clicks may be given as (x, y) or (x, y, positive), a box as (x0, y0, x1, y1), both also as rows of an array. A mask
    may be any image or array that `to_mask` converts, and is stored as (H, W) bool. Raises TypeError for anything else,
    PromptError for a mask of other values.
    """

    clicks: Sequence[Click] = ()
    box: Box | None = None
    mask: np.ndarray | None = None
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "clicks", _clicks(self.clicks))
        object.__setattr__(self, "box", None if self.box is None else _box(self.box))
        object.__setattr__(self, "mask", None if self.mask is None else to_mask(self.mask))
        if not isinstance(self.label, str):
            raise TypeError(f"label is {shown(self.label)}, expected a str")


def _clicks(given: Any) -> tuple[Click, ...]:
    """Raises TypeError."""
    expected = "expected a sequence of Click(x, y), (x, y) or (x, y, positive)"
    if not is_sequence(given):
        raise TypeError(f"clicks is {shown(given)}, {expected}")
    return tuple(
        click if isinstance(click, Click) else Click(*elements(click, (2, 3), f"a click is {shown(click)}, {expected}"))
        for click in given
    )


def _box(given: Any) -> Box:
    """Raises TypeError."""
    if isinstance(given, Box):
        return given
    expected = "expected Box(x0, y0, x1, y1) or these four numbers: left, top, right and bottom edge"
    return Box(*elements(given, (4,), f"box is {shown(given)}, {expected}"))


class TrackState(Enum):
    """Whether an object is in view."""

    VISIBLE = "visible"
    OCCLUDED = "occluded"  # absent for a moment
    LOST = "lost"  # absent for longer than `TrackStateConfig.lost_after`


@dataclass(frozen=True)
class Track:
    """One object on one frame."""

    id: int  # never given twice
    mask_value: int  # 1..254 in the label image; reused after the object is removed
    label: str
    state: TrackState
    presence: float  # sigmoid of the occlusion score, 0..1
    predicted_iou: float
    mask: np.ndarray  # (H, W) bool, all False unless VISIBLE: unconfirmed masks are suppressed
    box: Box | None  # around the mask, None where it is empty
    area: int  # pixels
    last_seen: float  # stamp of the last frame on which it was visible, seconds


@dataclass(frozen=True)
class Preview:
    """The object that a prompt would start."""

    mask: np.ndarray  # (H, W) bool
    predicted_iou: float


class EventKind(Enum):
    """What happened to an object, or to all objects."""

    STARTED = "started"
    OCCLUDED = "occluded"
    LOST = "lost"
    REACQUIRED = "reacquired"
    REMOVED = "removed"
    PROMPT_REJECTED = "prompt_rejected"
    RESET = "reset"


@dataclass(frozen=True)
class Event:
    """A change of an object; `track_id` is 0 where all objects changed."""

    kind: EventKind
    track_id: int
    stamp: float
    absence: float = 0.0  # seconds of image time since the object was last seen
    reason: str = ""


@dataclass(frozen=True)
class FrameResult:
    """Every object on one frame."""

    stamp: float
    index: int  # frames since the last reset
    size: tuple[int, int]  # (H, W) pixels
    tracks: tuple[Track, ...] = ()
    events: tuple[Event, ...] = ()
    draw_labels: Callable[[], np.ndarray] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def label_image(self) -> np.ndarray:
        """(H, W) uint8: 0 background, else `mask_value`; in overlaps that of the highest logit. Computed once."""
        if self.draw_labels is None:
            return np.zeros(self.size, np.uint8)
        return self.draw_labels()
