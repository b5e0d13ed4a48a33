"""Connects one tracker with all browsers: what it reports goes to each of them, and it is watched while one looks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from sam2_ros.media.colours import PALETTE
from sam2_ros.panel import protocol
from sam2_ros.panel.encoding import Encoder, PictureOptions
from sam2_ros.panel.outbox import Outbox
from sam2_ros.panel.types import Event, Status, Tracker, View

_RECENT_EVENTS = 50  # that a browser gets when it connects
_LINGER = 2.0  # seconds for which the tracker is watched after the last browser, which may only reload the page
_STATUS_PERIOD = 1.0  # seconds; browsers also see by it that the connection is alive


class Hub:
    """Used on the event loop's thread only. The tracker calls `show`, `report` and `set_status`."""

    def __init__(self, options: PictureOptions, warn: Callable[[str], Any]) -> None:
        self.tracker: Tracker  # set before the first browser comes
        self.encoder = Encoder(options, warn)
        self._period = 1 / options.max_rate
        self._outboxes: dict[Outbox, bool] = {}  # and whether the browser looks
        self._events: deque[Event] = deque(maxlen=_RECENT_EVENTS)
        self._status = Status()
        self._view: View | None = None  # the newest one
        self._number = 0  # of the newest view
        self._is_watched = False

    @property
    def image_size(self) -> tuple[int, int] | None:
        """That of the newest image (H, W), None before the first one."""
        return self._view.size if self._view else None

    @property
    def browsers(self) -> int:
        """How many are connected."""
        return len(self._outboxes)

    @property
    def problem(self) -> str:
        """What is wrong, after a colon; empty: nothing is known."""
        return f": {self._status.problem}" if self._status.problem else ""

    # ---- browsers

    def connect(self) -> Outbox:
        """Greet a browser; its outbox, to which everything is sent from now on."""
        outbox = Outbox(self._period)
        palette = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in PALETTE]
        outbox.notify(protocol.hello(self.tracker.name, self.tracker.can_restart, palette, list(self._events)))
        outbox.notify(protocol.status(self._status))
        self._outboxes[outbox] = False
        self.look(outbox, True)
        return outbox

    def look(self, outbox: Outbox, is_looking: bool) -> None:
        """Whether a browser shows the page."""
        if is_looking and not self._outboxes[outbox] and self._is_watched and self._view is not None:
            outbox.show(self._number, self._view)
        self._outboxes[outbox] = is_looking
        self._update_watch()

    def disconnect(self, outbox: Outbox) -> None:
        """The browser is gone."""
        self._outboxes.pop(outbox, None)
        self._update_watch()

    def _update_watch(self) -> None:
        if any(self._outboxes.values()):
            if not self._is_watched:
                self._is_watched = True
                self.tracker.watch(True)
        elif self._is_watched:
            asyncio.get_running_loop().call_later(_LINGER, self._unwatch_if_alone)

    def _unwatch_if_alone(self) -> None:
        if self._is_watched and not any(self._outboxes.values()):
            self._is_watched = False
            self.tracker.watch(False)

    # ---- the tracker

    def show(self, view: View) -> None:
        """Show a view to every browser that looks."""
        self._number += 1
        self._view = view
        for outbox, is_looking in self._outboxes.items():
            if is_looking:
                outbox.show(self._number, view)

    def report(self, event: Event) -> None:
        """Tell every browser what happened."""
        self._events.append(event)
        self._notify(protocol.event(event))

    def set_status(self, status: Status) -> None:
        """How the tracker does; sent where it has changed."""
        if status != self._status:
            self._status = status
            self._notify(protocol.status(status))

    async def repeat_status(self) -> None:
        """Send the status again and again."""
        while True:
            await asyncio.sleep(_STATUS_PERIOD)
            self._notify(protocol.status(self._status))

    def _notify(self, text: str) -> None:
        for outbox in self._outboxes:
            outbox.notify(text)
