"""A subscription that knows the age of its newest message."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from sam2_ros.node import qos


class Receiver:
    """Subscribed from construction to `close`; the parameters qos_overrides change its QoS."""

    def __init__(
        self,
        node: Node,
        message_type: type,
        topic: str,
        callback: Callable[[Any], Any],
        profile: QoSProfile,
        entity_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        """`entity_id` distinguishes two subscriptions to one topic; `options` are those of create_subscription.

        `clock` is a steady one (seconds).
        """
        self._clock = clock
        self.count = 0  # messages
        self._received: float | None = None  # when the newest was
        self._node = node
        self._callback = callback
        receive = self._receive_async if inspect.iscoroutinefunction(callback) else self._receive
        self.subscription: Subscription = node.create_subscription(
            message_type, topic, receive, **qos.overridable(profile, entity_id), **options
        )

    @property
    def topic(self) -> str:
        """After remapping."""
        name: str = self.subscription.topic_name
        return name

    @property
    def age(self) -> float | None:
        """Seconds since the newest message was received; None: none was."""
        received = self._received
        return None if received is None else self._clock() - received

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self.subscription)

    def _receive(self, message: Any) -> None:
        self._record()
        self._callback(message)

    async def _receive_async(self, message: Any) -> None:
        self._record()
        await self._callback(message)

    def _record(self) -> None:
        self.count += 1
        self._received = self._clock()
