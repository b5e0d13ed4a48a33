"""Notices that simulated time is asked for, but does not run."""

from __future__ import annotations

import time

from rclpy.node import Node

_TOPIC = "/clock"


class SimClock:
    """Has to be asked now and then: it compares the node's clock with the steady one."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._newest = 0  # nanoseconds of simulated time
        self._moved = time.monotonic()  # when that changed

    def problem(self, timeout: float) -> str:
        """Why simulated time has not moved for `timeout` seconds or longer; empty: it does, or is not asked for."""
        now, newest = time.monotonic(), self._node.get_clock().now().nanoseconds
        if newest != self._newest or not self._node.get_parameter("use_sim_time").value:
            self._newest, self._moved = newest, now
        stopped = now - self._moved
        if stopped <= timeout:
            return ""
        publishers = self._node.count_publishers(_TOPIC)
        if not publishers and not newest:
            return (
                f"use_sim_time is true, but there is no publisher on {_TOPIC}: start the simulator or "
                "`ros2 bag play --clock`, or set use_sim_time to false"
            )
        if not newest:
            return f"use_sim_time is true, but nothing came on {_TOPIC} for {stopped:.1f} s: is the simulator paused?"
        reason = "is the simulator or the bag paused?" if publishers else "its publisher is gone"
        return f"use_sim_time is true, but {_TOPIC} stands still at {newest / 1e9:.1f} s for {stopped:.1f} s: {reason}"
