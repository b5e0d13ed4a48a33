"""Strictly increasing stamps from irregular clocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

Frame = TypeVar("Frame")


def steady_stamps(timed: Iterable[tuple[Frame, float | None]], period: float) -> Iterator[tuple[Frame, float]]:
    """Yield all frames with the seconds since the first one, strictly increasing.

    `timed` are frames with the time of any clock (seconds); a frame without a time is stamped a `period` after the
    previous one. A single time out of order is moved between its neighbours. Two in a row mean that the clock was set
    back: stamps then continue a `period` after the previous one.
    """
    clock = _Clock(period)
    frames = iter(timed)
    current = next(frames, None)
    while current is not None:
        following = next(frames, None)
        yield current[0], clock.stamp(current[1], following[1] if following else None)
        current = following


class _Clock:
    def __init__(self, period: float) -> None:
        self._period = period
        self._last: float | None = None  # stamp
        self._zero: float | None = None  # the clock's time at stamp 0

    def stamp(self, time: float | None, next_time: float | None) -> float:
        """The stamp of a frame, from its time and the next frame's."""
        expected = 0.0 if self._last is None else self._last + self._period
        if time is None:
            stamp = expected
        elif self._zero is None or self._last is None:
            stamp, self._zero = expected, time - expected
        else:
            stamp = time - self._zero
            following = math.inf if next_time is None else next_time - self._zero
            if following > self._last and not self._last < stamp <= following:
                stamp = (self._last + min(following, expected + self._period)) / 2
            elif stamp <= self._last:
                stamp, self._zero = expected, time - expected
        self._last = stamp
        return stamp
