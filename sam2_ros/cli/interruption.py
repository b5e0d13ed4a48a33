"""Handles Ctrl-C and SIGTERM between the steps of a long task."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """Raised by `raise_terminated` for SIGTERM."""


def raise_terminated(number: int, frame: FrameType | None) -> None:
    """A handler of SIGTERM that ends the program like Ctrl-C, so that files are closed."""
    raise Terminated


class Interruption:
    """A context in which the first Ctrl-C or SIGTERM only sets `signal`; a second one acts at once, as outside."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        self._handlers = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
