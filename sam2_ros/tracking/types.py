"""What goes into the tracker and what comes out of it.

Pixels are those of the frame that was given to the tracker: x to the right, y down, (0, 0) the centre of the
top left pixel. Stamps are seconds on the clock of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

import numpy as np


class PromptError(ValueError):
    """A prompt that cannot be used; the message says why and what to do."""


class StampError(ValueError):
    """A frame that is not newer than the one before it."""


@dataclass(frozen=True)
class Click:
    """A point on the object, or beside it if not positive (pixels)."""

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True)
class Box:
    """Left, top, right and bottom edge (pixels)."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Prompt:
    """Says which object is meant: clicks, a box, both, or a mask (H, W) of the frame's size, alone."""

    clicks: Sequence[Click] = ()
    box: Box | None = None
    mask: np.ndarray | None = None
    label: str = ""


class TrackState(Enum):
    """Whether an object is in view."""

    VISIBLE = "visible"
    OCCLUDED = "occluded"  # absent for a moment
    LOST = "lost"  # absent for longer than `TrackStateConfig.lost_after`


@dataclass(frozen=True)
class Track:
    """One object on one frame."""

    id: int  # never given twice
    mask_value: int  # 1..254 in the label image; free again once the object is removed
    label: str
    state: TrackState
    presence: float  # sigmoid of the occlusion score, 0..1
    predicted_iou: float
    mask: np.ndarray  # (H, W) bool, all False unless VISIBLE: also while a return is doubtful
    box: Box | None  # around the mask, None where it is empty
    area: int  # pixels
    last_seen: float  # stamp of the last frame on which the network saw it, seconds


@dataclass(frozen=True)
class Preview:
    """What a prompt would start."""

    mask: np.ndarray  # (H, W) bool
    predicted_iou: float


class EventKind(Enum):
    """What happened to an object, or to all of them."""

    STARTED = "started"
    OCCLUDED = "occluded"
    LOST = "lost"
    REACQUIRED = "reacquired"
    REMOVED = "removed"
    PROMPT_REJECTED = "prompt_rejected"
    RESET = "reset"


@dataclass(frozen=True)
class Event:
    """A change worth telling; `track_id` is 0 where it concerns no single object."""

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
        """(H, W) uint8: 0 background, else `mask_value`, of the surer one where masks overlap. Drawn when asked for."""
        if self.draw_labels is None:
            return np.zeros(self.size, np.uint8)
        return self.draw_labels()
