"""How long the stages of a step take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the seconds of each stage."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> dict[str, float]:
        """Of each stage."""
        return self._seconds

    def restart(self) -> None:
        """Begin anew; what was read before stays as it was."""
        self._seconds = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Counts what is done inside."""
        start = time.perf_counter()
        yield
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - start
