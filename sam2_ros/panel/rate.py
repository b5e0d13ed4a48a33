"""How often something happens."""

from __future__ import annotations

import time
from collections import deque

_WINDOW = 3.0  # seconds


class RateMeter:
    """Events per second over the last seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1000)

    def count(self) -> None:
        """It happened."""
        self._times.append(time.monotonic())

    @property
    def silence(self) -> float:
        """Seconds since it happened last, infinite where that is long ago."""
        return time.monotonic() - self._times[-1] if self._times else float("inf")

    @property
    def rate(self) -> float:
        """Rounded, so that it does not change all the time."""
        now = time.monotonic()
        while self._times and self._times[0] < now - _WINDOW:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        return round((len(self._times) - 1) / (self._times[-1] - self._times[0]), 1)
