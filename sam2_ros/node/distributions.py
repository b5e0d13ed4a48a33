"""What older ROS 2 distributions lack, and what takes its place; nothing else depends on the distribution.

| lacking | in |
|-|-|
| `rclpy.event_handler` | Humble, where the module is `rclpy.qos_event` |
| `tf2_ros.Buffer.jump_handle` | Humble, whose buffer does not watch the clock |
| `Subscription.get_publisher_count` | Humble |
"""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

__all__ = ["SubscriptionEventCallbacks", "UnsupportedEventTypeError", "close_buffer", "publisher_count"]


def publisher_count(node: Node, subscription: Subscription) -> int:
    """Publishers that are connected to the node's subscription; in Humble those that are known on its topic."""
    if hasattr(subscription, "get_publisher_count"):
        return int(subscription.get_publisher_count())
    return int(node.count_publishers(subscription.topic_name))


def close_buffer(node: Node, buffer: Any) -> None:
    """Release what a tf2_ros.Buffer of the node holds: its service, and its callback on jumps of the clock."""
    node.destroy_service(buffer.srv)
    if hasattr(buffer, "jump_handle"):
        buffer.jump_handle.unregister()
