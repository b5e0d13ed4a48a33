"""What passes between the tracker, the server and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from sam2_ros.tracking.types import Prompt

NANOSECONDS = 1_000_000_000


class Stamp(NamedTuple):
    """The stamp of an image as in its header; unlike a float it is exact in JSON, too."""

    sec: int
    nanosec: int

    @classmethod
    def of(cls, seconds: float) -> Stamp:
        """The nearest stamp."""
        return cls(*divmod(round(seconds * NANOSECONDS), NANOSECONDS))

    @property
    def seconds(self) -> float:
        """Equal stamps give equal numbers."""
        return self.sec + self.nanosec / NANOSECONDS


@dataclass(frozen=True)
class ShownTrack:
    """One object on one image."""

    id: int
    mask_value: int  # in the label image
    label: str
    state: str  # visible, occluded or lost
    presence: float  # 0..1
    absence: float  # seconds of image time since it was last seen
    box: tuple[float, float, float, float] | None  # left, top, right, bottom (pixels)


@dataclass(frozen=True, eq=False)
class View:
    """One image and what was tracked on it."""

    stamp: Stamp
    size: tuple[int, int]  # (H, W) pixels of the image
    read_picture: Callable[[], np.ndarray | bytes | None]  # (H, W, 3) uint8 RGB, a JPEG, or None; on any thread
    tracks: tuple[ShownTrack, ...] | None = None  # None: the tracker has no result for this image
    labels: np.ndarray | None = None  # (H, W) uint8: 0 background, else `mask_value`


@dataclass(frozen=True)
class Event:
    """Something that happened to an object (0: to the tracker)."""

    kind: str  # started, occluded, lost, reacquired, removed, prompt_rejected or reset
    object_id: int
    label: str
    absence: float  # seconds
    reason: str


@dataclass(frozen=True)
class Status:
    """How the tracker does."""

    tracker: str = "unknown"  # tracking, paused, inactive, missing, ended, ...
    problem: str = ""  # what is wrong and what to do; empty: nothing
    is_paused: bool = False
    target: int = 0  # object id that was selected, 0: none
    rate: float = 0.0  # results per second


@dataclass(frozen=True)
class ApplyPrompt:
    """Start an object (id 0), or correct one, on the image of that stamp."""

    prompt: Prompt
    object_id: int
    stamp: Stamp


@dataclass(frozen=True)
class RemoveObject:
    """Stop tracking an object."""

    object_id: int


@dataclass(frozen=True)
class SelectObject:
    """Make an object the target."""

    object_id: int


@dataclass(frozen=True)
class Reset:
    """Drop all objects."""


@dataclass(frozen=True)
class Enable:
    """Resume, or pause."""

    enabled: bool


@dataclass(frozen=True)
class Restart:
    """Play a recording from its start again."""


Command = ApplyPrompt | RemoveObject | SelectObject | Reset | Enable | Restart


@dataclass(frozen=True)
class Outcome:
    """The result of a command that was carried out."""

    object_id: int = 0  # of a prompt
    message: str = ""  # a warning, or empty


class CommandError(Exception):
    """A command that was not carried out; the message says why and what to do."""


class Tracker(Protocol):
    """The tracker that the panel shows, behind ROS or in this process. Called on the event loop's thread."""

    @property
    def name(self) -> str:
        """Shown in the page's title."""

    @property
    def can_restart(self) -> bool:
        """Whether it plays a recording."""

    def watch(self, is_watched: bool) -> None:
        """Called when the first browser looks, and after the last one has stopped."""

    async def execute(self, command: Command) -> Outcome:
        """Carry out a command. Raises CommandError."""
