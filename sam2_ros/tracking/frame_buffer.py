"""The newest frames and each object's output on them, so that late prompts can still be applied."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Real
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..model import ImageFeatures
from .arguments import shown
from .measurement import Measurement
from .track_state import TrackStatus
from .types import PromptError, StampError


def check_stamp(stamp: float) -> None:
    """Raises TypeError for anything but a number, such as a ROS stamp."""
    if not isinstance(stamp, Real):
        raise TypeError(
            f"stamp is {shown(stamp)}, expected seconds as a float: convert a ROS stamp by "
            "stamp.sec + 1e-9 * stamp.nanosec"
        )


@dataclass(frozen=True)
class ObjectOutput:
    """One object on one frame: the network's output, and the track's status before and after it."""

    mask_logits: Tensor  # (1, S / 4, S / 4)
    measured: Measurement
    status_before: TrackStatus
    status: TrackStatus


class EncodedFrame(NamedTuple):
    """A buffered frame's features, which are the tracker's own."""

    stamp: float  # seconds
    size: tuple[int, int]  # (H, W) pixels
    features: ImageFeatures


@dataclass
class Frame:
    """A buffered frame. A skipped frame is encoded only when a prompt needs it."""

    index: int  # from 0
    stamp: float  # seconds
    size: tuple[int, int]  # (H, W) pixels
    image: Tensor | None = None  # (1, 3, S, S), until it is encoded
    features: ImageFeatures | None = None
    gray: np.ndarray | None = None  # (h, w) uint8, for optical flow
    flow_grid: Tensor | None = None  # (1, S / 4, S / 4, 2), where frame skipping warps masks to this frame
    outputs: dict[int, ObjectOutput] = field(default_factory=dict)  # by track id
    masks: dict[int, np.ndarray] | None = field(default_factory=dict)  # (H, W) bool, of the newest frame only

    @property
    def is_skipped(self) -> bool:
        """Whether masks are warped to this frame instead of being predicted on it."""
        return self.flow_grid is not None


class FrameBuffer:
    """The newest `history` frames; a prompt's stamp may differ from its frame's by `tolerance` seconds."""

    def __init__(self, history: int, tolerance: float) -> None:
        self._frames: deque[Frame] = deque(maxlen=history)
        self._tolerance = tolerance

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    @property
    def newest(self) -> Frame | None:
        """None before the first frame."""
        return self._frames[-1] if self._frames else None

    @property
    def covered(self) -> tuple[float, float] | None:
        """Stamps of the oldest and the newest frame (seconds)."""
        return (self._frames[0].stamp, self._frames[-1].stamp) if self._frames else None

    def append(self, frame: Frame) -> None:
        """Adds a frame, in place of the oldest one when the buffer is full."""
        if self.newest:
            self.newest.masks = None
        self._frames.append(frame)

    def clear(self) -> None:
        """Drops all frames."""
        self._frames.clear()

    @property
    def next_to_drop(self) -> Frame | None:
        """The frame that the next one replaces, None while the buffer is not full."""
        return self._frames[0] if len(self._frames) == self._frames.maxlen else None

    def following(self, index: int) -> Frame:
        """The first frame after the one of that index."""
        return next(frame for frame in self._frames if frame.index > index)

    def check_next(self, stamp: float) -> None:
        """Raises StampError unless the stamp is newer than the newest frame's, TypeError for anything but a number."""
        check_stamp(stamp)
        if not math.isfinite(stamp):
            raise StampError(f"stamp is {stamp}, expected seconds")
        if self.newest and stamp <= self.newest.stamp:
            raise StampError(
                f"frame is stamped {stamp:.6f} s, the previous one {self.newest.stamp:.6f} s; expected increasing "
                "stamps: reset the tracker to start again from an earlier time"
            )

    def at(self, stamp: float | None) -> Frame:
        """The frame of a stamp (None: the newest). Raises PromptError where there is none within the tolerance."""
        if stamp is not None:
            check_stamp(stamp)
        if not self.newest:
            raise PromptError("there is no frame yet to apply the prompt to: give the tracker a frame first")
        if stamp is None:
            return self.newest
        nearest = min(self._frames, key=lambda frame: abs(frame.stamp - stamp))
        if not abs(nearest.stamp - stamp) <= self._tolerance:
            oldest, newest = self._frames[0].stamp, self._frames[-1].stamp
            raise PromptError(
                f"no buffered frame is stamped {stamp:.6f} s (within {self._tolerance:g} s); the "
                f"{len(self._frames)} buffered ones cover {oldest:.6f} to {newest:.6f} s; stamp the prompt like its "
                "image, or raise history"
            )
        return nearest
