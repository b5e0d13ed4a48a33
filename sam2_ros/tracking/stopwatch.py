"""Times the stages of a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Sums the seconds of each stage."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage."""
        return self._seconds

    def restart(self) -> None:
        """Start again from zero; dictionaries that were read before do not change."""
        self._seconds = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time that is spent inside."""
        start = self._clock()
        yield
        self._seconds[stage] = self._seconds.get(stage, 0.0) + self._clock() - start
