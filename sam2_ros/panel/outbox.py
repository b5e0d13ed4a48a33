"""What waits to be sent to one browser: bounded, whatever the browser does. Used on the event loop's thread only."""

from __future__ import annotations

import asyncio
from collections import deque

from sam2_ros.panel.types import View

MAX_TEXTS = 256
MAX_UNDRAWN = 2  # pictures that are sent, but not drawn yet: one on its way while another one is drawn

NumberedView = tuple[int, View]


class Outbox:
    """Texts in order, and the newest view, which replaces one that waits."""

    def __init__(self, period: float) -> None:
        """`period` is the least time between two views (seconds)."""
        self._period = period
        self._texts: deque[str] = deque()
        self._view: NumberedView | None = None
        self._undrawn: deque[int] = deque(maxlen=MAX_UNDRAWN)  # numbers of views that were taken
        self._next_view_at = 0.0  # seconds on the loop's clock
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.skipped = 0  # views that were replaced by a newer one
        self.dropped = 0  # notices for which there was no room

    def notify(self, text: str) -> None:
        """Add an event or a status; it is dropped where there is no room."""
        if len(self._texts) >= MAX_TEXTS:
            self.dropped += 1
        else:
            self._add(text)

    async def reply(self, text: str) -> None:
        """Add an answer; waits for room, so that nothing more is read from a browser that reads nothing."""
        while len(self._texts) >= MAX_TEXTS:
            self._has_room.clear()
            await self._has_room.wait()
        self._add(text)

    def show(self, number: int, view: View) -> None:
        """Offer a view."""
        self.skipped += self._view is not None
        self._view = number, view
        self._changed.set()

    def mark_drawn(self, number: int) -> None:
        """The browser has drawn a view, and with it the ones before."""
        while self._undrawn and self._undrawn[0] <= number:
            self._undrawn.popleft()
        self._changed.set()

    async def take(self) -> str | NumberedView:
        """The next text; without one the newest view, once the browser is ready for it."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if self._texts:
                self._has_room.set()
                return self._texts.popleft()
            wait: float | None = None
            if self._view is not None and len(self._undrawn) < MAX_UNDRAWN:
                wait = self._next_view_at - loop.time()
                if wait <= 0:
                    return self._taken_view(self._view, loop.time())
            # No asyncio.wait_for: before Python 3.12 it swallows a cancellation that comes together with its result.
            timer = None if wait is None else loop.call_later(wait, self._changed.set)
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    def _taken_view(self, view: NumberedView, now: float) -> NumberedView:
        self._view = None
        self._undrawn.append(view[0])
        # Views that come a little early or late do not lower the rate: the due time advances by periods.
        self._next_view_at = max(self._next_view_at, now - self._period / 2) + self._period
        return view

    def _add(self, text: str) -> None:
        self._texts.append(text)
        self._changed.set()
