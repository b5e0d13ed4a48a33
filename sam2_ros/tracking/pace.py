"""Which frames the network sees: each one, every so-manieth one, or as many as a rate leaves time for."""

from __future__ import annotations

import math

_MOST = 8  # frames that one encoded frame may have to do for: masks drift while they only move
_SHARE = 0.2  # of a new duration in the mean


class Pace:
    """Counts frames and learns how long they take.

    Every `encode_every`-th frame is due to be encoded, and fewer where that many leave less than `target_fps` frames
    per second (0: no such demand).
    """

    def __init__(self, encode_every: int, target_fps: float) -> None:
        self._least = encode_every
        self._period = 1 / target_fps if target_fps else math.inf
        self._waited = math.inf  # frames since the last one that was due
        self._seconds = {True: 0.0, False: 0.0}  # of a frame that is encoded, and of one that is not

    @property
    def saves(self) -> bool:
        """Whether there may be frames that are not encoded."""
        return self._least > 1 or self._period < math.inf

    @property
    def encode_every(self) -> int:
        """Frames of which one is encoded."""
        encoded, moved = self._seconds[True], self._seconds[False]
        if encoded <= self._period:
            return self._least
        if moved >= self._period:
            return max(self._least, _MOST)
        # (encoded + (n - 1) moved) / n is at most the period
        return max(self._least, min(_MOST, math.ceil((encoded - moved) / (self._period - moved))))

    def is_due(self) -> bool:
        """Whether the next frame is to be encoded; call it once for each."""
        self._waited += 1
        if self._waited < self.encode_every:
            return False
        self._waited = 0
        return True

    def took(self, seconds: float, is_encoded: bool) -> None:
        """Learn from a frame."""
        mean = self._seconds[is_encoded]
        self._seconds[is_encoded] = mean + _SHARE * (seconds - mean) if mean else seconds
