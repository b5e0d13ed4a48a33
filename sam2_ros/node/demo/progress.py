"""The demo's progress: a bar on a terminal, regular lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

_LOG_PERIOD = 10.0  # seconds between two lines of a log


def say(text: str) -> None:
    """Print a line without delay."""
    print(text, flush=True)


class FrameProgress:
    """Shows how many of the camera's frames have arrived."""

    def __init__(self, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`total` is None where it is unknown."""
        self._total = total
        self._clock = clock
        self._bar: tqdm[Any] | None = None  # from the first frame on
        self._next_line = clock() + _LOG_PERIOD

    def show(self, frames: int, states: str) -> None:
        """Show the number of frames so far, and the objects' states."""
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = tqdm(total=self._total, unit=" frames", desc="camera")
            self._bar.update(frames - self._bar.n)
            self._bar.set_postfix_str(states)
        elif self._clock() >= self._next_line:
            self._next_line = self._clock() + _LOG_PERIOD
            of = f" of {self._total}" if self._total else ""
            say(f"camera   frame {frames}{of}: {states or 'no object'}")

    def close(self) -> None:
        """Close the bar, so that text can follow."""
        if self._bar is not None:
            self._bar.close()
