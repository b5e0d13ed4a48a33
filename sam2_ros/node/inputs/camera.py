"""The subscription to the camera's images."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.node import qos
from sam2_ros.node.inputs.subscriptions import explain_silence
from sam2_ros.node.log import THROTTLE_PERIOD
from sam2_ros.node.parameters import Parameters

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

_UNKNOWN = "_NODE_NAME_UNKNOWN_"  # that of a node which DDS has not heard of yet, or which is gone
_LINGERING = 30.0  # seconds; a publisher that was killed stays visible for up to 20


class Camera:
    """Subscribed from construction to `close`."""

    def __init__(self, node: Node, parameters: Parameters, on_image: Callable[[Any], None]) -> None:
        self._node = node
        self._on_image = on_image
        self._received = time.monotonic()  # newest image, seconds on the steady clock
        self._alone = time.monotonic()  # when the topic last had at most one publisher
        if parameters.image_transport == "compressed":
            self._subscription = self._subscribe(CompressedImage, _compressed_topic(node), parameters)
        else:
            self._subscription = self._subscribe(Image, node.resolve_topic_name("image"), parameters)

    @property
    def topic(self) -> str:
        """After remapping."""
        topic: str = self._subscription.topic_name
        return topic

    @property
    def silence(self) -> float:
        """Seconds since the newest image was received, or since the subscription was created."""
        return time.monotonic() - self._received

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """By the topic's name before remapping."""
        return {"image": self._subscription}

    @property
    def sharing_warning(self) -> str:
        """Which nodes have published on the topic together for long, and what to do; empty where one does."""
        offers = self._node.get_publishers_info_by_topic(self.topic)
        if len(offers) < 2:
            self._alone = time.monotonic()
        if time.monotonic() - self._alone < _LINGERING:
            return ""
        names = sorted(f"{offer.node_namespace.rstrip('/')}/{offer.node_name}" for offer in offers)
        known = ", ".join(name for name in names if _UNKNOWN not in name)
        return (
            f"{len(offers)} publishers share {self.topic} ({known or 'of unknown nodes'}), their images are taken for "
            "those of one camera: let each publish on a topic of its own, and remap `image` to one of them"
        )

    def explain_silence(self) -> str:
        """Why no images may be received."""
        return explain_silence(self._node, "image", self._subscription, self.silence)

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self, message_type: type, topic: str, parameters: Parameters) -> Subscription:
        profile = qos.profile(parameters.image_reliability, parameters.image_depth)
        try:
            events = SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos)
            return self._node.create_subscription(message_type, topic, self._receive, profile, event_callbacks=events)
        except UnsupportedEventTypeError:  # not every RMW implementation reports this
            return self._node.create_subscription(message_type, topic, self._receive, profile)

    def _receive(self, message: Any) -> None:
        self._received = time.monotonic()
        self._on_image(message)

    def _on_incompatible_qos(self, info: Any) -> None:
        """Only the reliability can be incompatible: the subscription is volatile and has neither deadline nor lease."""
        self._node.get_logger().warning(
            f"incompatible QoS on {self.topic}: publisher offers best_effort, subscription requests reliable, so its "
            "images are not received: set image_reliability to best_effort",
            throttle_duration_sec=THROTTLE_PERIOD,
        )


def _compressed_topic(node: Node) -> str:
    """`image/compressed` where it is remapped; else `image` + /compressed, as image_transport does."""
    remapped: str = node.resolve_topic_name("image/compressed")
    if remapped != node.resolve_topic_name("image/compressed", only_expand=True):
        return remapped
    base = node.resolve_topic_name("image")
    return base if base.endswith("/compressed") else f"{base}/compressed"
