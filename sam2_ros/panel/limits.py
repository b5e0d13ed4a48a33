"""How much one browser may send."""

from __future__ import annotations

import time

MAX_BROWSERS = 8
MAX_WAITING = 16  # requests of a browser that wait for the tracker's answer


class RateLimit:
    """So many per second on average, as many at once."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._left = per_second
        self._updated = time.monotonic()

    def allows_one(self) -> bool:
        """Whether one more may come now."""
        now = time.monotonic()
        self._left = min(self.per_second, self._left + (now - self._updated) * self.per_second)
        self._updated = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
