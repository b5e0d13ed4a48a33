"""The newest frames, with what was found on them: prompts can still be applied to these."""

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
from .belief import Belief
from .observation import Observation
from .types import PromptError, StampError


def check_stamp(stamp: float) -> None:
    """Raises TypeError for what is no number, such as a stamp of ROS."""
    if not isinstance(stamp, Real):
        raise TypeError(
            f"stamp is {shown(stamp)}, expected seconds as a float; of a ROS stamp: stamp.sec + 1e-9 * stamp.nanosec"
        )


class Answer(NamedTuple):
    """What the network said of one object on one frame, and what was believed before and after it."""

    logits: Tensor  # (1, S / 4, S / 4)
    seen: Observation
    before: Belief
    after: Belief


@dataclass
class Frame:
    """A frame that prompts can still be applied to; encoded at once, or when a prompt needs it."""

    index: int  # from 0
    stamp: float  # seconds
    size: tuple[int, int]  # (H, W) pixels
    features: ImageFeatures | None = None
    image: Tensor | None = None  # (1, 3, S, S), as long as it is not encoded
    grey: np.ndarray | None = None  # (h, w) uint8, and
    origins: Tensor | None = None  # where objects are only moved, see in_between.py
    answers: dict[int, Answer] = field(default_factory=dict)  # by track id
    masks: dict[int, np.ndarray] | None = field(default_factory=dict)  # (H, W) bool, of the newest frame alone


class FrameBuffer:
    """As many frames as `history` says; a prompt may miss its frame by `tolerance` seconds."""

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
        """Keep a frame, for the oldest one if there are too many."""
        if self.newest:
            self.newest.masks = None
        self._frames.append(frame)

    def clear(self) -> None:
        """Forget all of them."""
        self._frames.clear()

    @property
    def next_to_go(self) -> Frame | None:
        """The frame that the next one takes the place of, None while there is room."""
        return self._frames[0] if len(self._frames) == self._frames.maxlen else None

    def following(self, index: int) -> Frame:
        """The first one after the frame of that index."""
        return next(frame for frame in self._frames if frame.index > index)

    def check_next(self, stamp: float) -> None:
        """Raises StampError unless a frame of this stamp may come next, TypeError for what is no number."""
        check_stamp(stamp)
        if not math.isfinite(stamp):
            raise StampError(f"stamp is {stamp}, expected seconds")
        if self.newest and stamp <= self.newest.stamp:
            raise StampError(
                f"frame is stamped {stamp:.6f} s, the one before it {self.newest.stamp:.6f} s; frames must come "
                "in order, reset the tracker to start again from an earlier time"
            )

    def at(self, stamp: float | None) -> Frame:
        """The frame that is meant by a stamp (None: the newest). Raises PromptError where there is none."""
        if stamp is not None:
            check_stamp(stamp)
        if not self.newest:
            raise PromptError("there is no frame to apply the prompt to yet; give the tracker a frame first")
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
