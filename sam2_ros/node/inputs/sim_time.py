"""Detects that use_sim_time is true, but simulation time does not advance."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node

_TOPIC = "/clock"


class SimTimeMonitor:
    """Compares the node's clock with the steady clock; `warning` has to be called regularly."""

    def __init__(self, node: Node, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._clock = clock
        self._newest = 0  # simulation time, nanoseconds
        self._changed = clock()  # when it last changed, seconds on the steady clock

    def warning(self, timeout: float) -> str:
        """Why simulation time has not advanced for `timeout` seconds or longer; empty: it has, or is not used."""
        now, newest = self._clock(), self._node.get_clock().now().nanoseconds
        if newest != self._newest or not self._node.get_parameter("use_sim_time").value:
            self._newest, self._changed = newest, now
        stopped = now - self._changed
        if stopped <= timeout:
            return ""
        publishers = self._node.count_publishers(_TOPIC)
        if not publishers and not newest:
            return (
                f"use_sim_time is true, but there is no publisher on {_TOPIC}: start the simulator or "
                "`ros2 bag play --clock`, or set use_sim_time to false"
            )
        if not newest:
            return f"use_sim_time is true, but no message on {_TOPIC} for {stopped:.1f} s: is the simulator paused?"
        reason = "is the simulator or the bag paused?" if publishers else "its publisher is gone"
        return f"use_sim_time is true, but {_TOPIC} has stopped at {newest / 1e9:.1f} s for {stopped:.1f} s: {reason}"
