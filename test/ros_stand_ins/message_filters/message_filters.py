"""What sam2_ros uses of the ROS package message_filters, for tests where it is not installed.

../test_message_filters.py holds it to the behaviour of the real one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.time import Time


class SimpleFilter:
    """Passes messages on to its callbacks, in the order of their registration."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def registerCallback(self, callback: Callable[..., None], *arguments: Any) -> int:  # noqa: N802
        """Call `callback` with each output, followed by `arguments`; its index."""
        self._callbacks.append((callback, arguments))
        return len(self._callbacks) - 1

    def signalMessage(self, *messages: Any) -> None:  # noqa: N802
        """Output these messages."""
        for callback, arguments in self._callbacks:
            callback(*messages, *arguments)


class Subscriber(SimpleFilter):
    """Outputs what is received on a topic; `sub` is the subscription."""

    def __init__(self, node: Node, message_type: type, topic: str, *, qos_profile: Any = 10, **options: Any) -> None:
        super().__init__()
        self.sub = node.create_subscription(message_type, topic, self.signalMessage, qos_profile=qos_profile, **options)


class TimeSynchronizer(SimpleFilter):
    """Outputs one message of each input as soon as there are such with equal stamps.

    For each input, `queues` has the messages with the `queue_size` newest stamps, by stamp (nanoseconds).
    """

    def __init__(self, inputs: Sequence[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self.queues: list[dict[int, Any]] = [{} for _ in inputs]
        self._queue_size = queue_size
        self._lock = threading.Lock()
        for index, source in enumerate(inputs):
            source.registerCallback(self._receive, index)

    def _receive(self, message: Any, index: int) -> None:
        stamp = Time.from_msg(message.header.stamp).nanoseconds
        with self._lock:
            queue = self.queues[index]
            queue[stamp] = message
            if len(queue) > self._queue_size:
                del queue[min(queue)]
            stamps = self._match(stamp, index)
            matches = [(queue, other) for other, queue in zip(stamps, self.queues, strict=True) if other in queue]
            if len(matches) == len(self.queues):
                self.signalMessage(*(queue[other] for queue, other in matches))
                for queue, other in matches:
                    del queue[other]

    def _match(self, stamp: int, index: int) -> list[int | None]:
        """For each input, the stamp that belongs to the new one of input `index`; None: there is none."""
        return [stamp for _ in self.queues]


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Of two inputs, outputs a new message with the nearest one of the other, if it is within `slop` seconds."""

    def __init__(self, inputs: Sequence[SimpleFilter], queue_size: int, slop: float) -> None:
        assert len(inputs) == 2, "the stand-in synchronizes two inputs"
        super().__init__(inputs, queue_size)
        self._slop = round(slop * 1e9)  # nanoseconds

    def _match(self, stamp: int, index: int) -> list[int | None]:
        nearest = min(self.queues[1 - index], key=lambda other: abs(other - stamp), default=None)
        if nearest is not None and abs(nearest - stamp) >= self._slop:
            nearest = None
        return [stamp, nearest] if index == 0 else [nearest, stamp]
