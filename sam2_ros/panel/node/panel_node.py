"""The node: parameters, and the tracker as the panel's hub sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.node import Node

from sam2_ros.panel.encoding import PictureOptions
from sam2_ros.panel.hub import Hub
from sam2_ros.panel.node.services import Services
from sam2_ros.panel.node.topics import Topics
from sam2_ros.panel.security import Access
from sam2_ros.panel.types import (
    ApplyPrompt,
    Command,
    CommandError,
    Enable,
    Event,
    Outcome,
    Reset,
    SelectObject,
    Status,
    View,
)

_PERIOD = 1.0  # seconds between two looks at the tracker's state
_SLOW = 3.0  # seconds without results
_TRANSPORTS = ("auto", "raw", "compressed")


class PanelNode(Node):
    """Raises ValueError for an invalid parameter."""

    def __init__(self, **node: Any) -> None:
        """`node` are keywords of rclpy's Node."""
        super().__init__("sam2_panel", **node)
        self.tracker = self.declare_parameter("tracker", "sam2_tracker").value  # the tracker's node name
        self.access = Access.to(
            self.declare_parameter("host", "127.0.0.1").value, self.declare_parameter("port", 8080).value
        )
        self.options = PictureOptions(
            float(self.declare_parameter("max_rate", 15.0).value),
            self.declare_parameter("max_width", 1280).value,
            self.declare_parameter("jpeg_quality", 80).value,
        )
        self.image_transport = self.declare_parameter("image_transport", "auto").value
        if self.image_transport not in _TRANSPORTS:
            raise ValueError(f"image_transport is {self.image_transport!r}, expected one of {', '.join(_TRANSPORTS)}")


class RosTracker:
    """Implements `types.Tracker` on the event loop's thread; messages come on the executor's."""

    can_restart = False

    def __init__(self, node: PanelNode, hub: Hub) -> None:
        self.name = f"{node.resolve_topic_name(node.tracker)} on {node.resolve_topic_name('image')}"
        self._node = node
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._services = Services(node, node.tracker)
        self._topics = Topics(node, node.tracker, node.image_transport, self._on_view, self._on_event)
        self._status = Status()
        self._watching: asyncio.Task[None] | None = None

    def watch(self, is_watched: bool) -> None:
        """Subscribe, or unsubscribe."""
        self._on_executor(self._topics.subscribe if is_watched else self._topics.unsubscribe)
        if is_watched:
            self._watching = asyncio.create_task(self._watch())
        elif self._watching is not None:
            self._watching.cancel()

    async def execute(self, command: Command) -> Outcome:
        """Call the tracker's service. Raises CommandError."""
        if isinstance(command, ApplyPrompt) and self._status.tracker not in ("tracking", "paused", "unknown"):
            raise CommandError(self._status.problem or f"the tracker is {self._status.tracker}")
        outcome = await self._services.execute(command)
        if isinstance(command, Enable):
            self._topics.is_paused = not command.enabled
            state = "tracking" if command.enabled else "paused"
            self._set_status(replace(self._status, tracker=state, is_paused=not command.enabled, problem=""))
        elif isinstance(command, SelectObject):
            self._set_status(replace(self._status, target=command.object_id))
        elif isinstance(command, Reset):
            self._set_status(replace(self._status, target=0))
        return outcome

    # ---- the tracker's state

    async def _watch(self) -> None:
        while True:
            try:
                state = await self._services.state()
            except CommandError as error:
                self._forget_tracker()
                self._set_status(Status("missing", str(error)))
            else:
                await self._update_status(state)
            await asyncio.sleep(_PERIOD)

    async def _update_status(self, state: str) -> None:
        if state != "active":
            self._forget_tracker()
            command = f"ros2 lifecycle set {self._node.resolve_topic_name(self._node.tracker)}"
            steps = {
                "unconfigured": f"`{command} configure`, then `{command} activate`",
                "inactive": f"`{command} activate`",
            }
            advice = f": {steps[state]}" if state in steps else ""
            self._set_status(Status("inactive", f"the tracker is {state}, not active{advice}"))
            return
        problem: asyncio.Future[str] = self._loop.create_future()
        self._on_executor(lambda: self._post(partial(_resolve, problem, self._topics.problem())))
        text = await problem
        results = self._topics.results
        if not text and not self._status.is_paused and results.silence > _SLOW:
            text = f"images arrive, but no results of the tracker for {_SLOW:g} s: is it paused, or too slow?"
        label = "paused" if self._status.is_paused else "tracking"
        self._set_status(replace(self._status, tracker=label, problem=text, rate=results.rate))

    def _forget_tracker(self) -> None:
        """A new process of the tracker is not paused and has no target."""
        self._topics.is_paused = False

    def _set_status(self, status: Status) -> None:
        if status.problem and status.problem.split(" for ")[0] != self._status.problem.split(" for ")[0]:
            self._node.get_logger().warning(status.problem)
        self._status = status
        self._hub.set_status(status)

    # ---- between the threads

    def _on_view(self, view: View) -> None:
        self._post(partial(self._hub.show, view))

    def _on_event(self, event: Event) -> None:
        if event.kind == "reset" or (event.kind == "removed" and event.object_id == self._status.target):
            self._post(lambda: self._set_status(replace(self._status, target=0)))
        self._post(partial(self._hub.report, event))

    def _post(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _on_executor(self, call: Callable[[], None]) -> None:
        assert self._node.executor is not None
        self._node.executor.create_task(call)


def _resolve(future: asyncio.Future[str], value: str) -> None:
    if not future.done():
        future.set_result(value)
