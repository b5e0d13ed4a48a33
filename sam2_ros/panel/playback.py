"""Plays a source of frames in real time: frames that are late are skipped, as a camera's would be dropped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

Frame = tuple[np.ndarray, float]


class Playback:
    """`open_frames` returns frames (H, W, 3) uint8 RGB with their seconds since the first one, to be read once."""

    def __init__(self, open_frames: Callable[[], Iterator[Frame]]) -> None:
        self._open_frames = open_frames
        self._is_paused = False
        self.restart()

    def restart(self) -> None:
        """Play from the start."""
        self._frames = self._open_frames()
        self._next: Frame | None = None
        self._started: float | None = None  # when the first frame was due, seconds on the steady clock
        self.has_ended = False

    @property
    def is_paused(self) -> bool:
        """While paused, no frame becomes due."""
        return self._is_paused

    def pause(self, is_paused: bool) -> None:
        """Pause or resume; the time between does not count."""
        if self._is_paused and not is_paused and self._next is not None:
            self._started = time.monotonic() - self._next[1]
        self._is_paused = is_paused

    @property
    def wait(self) -> float:
        """Seconds until the next frame is due; infinite while there is none."""
        if self._is_paused or not self._read_next():
            return float("inf")
        return max(0.0, self._due - time.monotonic())

    def take(self) -> Frame | None:
        """The newest frame that is due, None where none is."""
        newest = None
        while self.wait == 0.0:
            newest, self._next = self._next, None
        return newest

    @property
    def _due(self) -> float:
        assert self._next is not None
        if self._started is None:
            self._started = time.monotonic() - self._next[1]
        return self._started + self._next[1]

    def _read_next(self) -> bool:
        if self._next is None and not self.has_ended:
            self._next = next(self._frames, None)
            self.has_ended = self._next is None
        return self._next is not None
