"""The subscription to the camera."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.node import qos
from sam2_ros.node.inputs.subscriptions import explain_silence
from sam2_ros.node.log import REPEAT
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
        self._received = time.monotonic()  # when the newest image came, on the steady clock: simulated time may stop
        self._alone = time.monotonic()  # when the topic had one publisher at most
        if parameters.image_transport == "compressed":
            self._subscription = self._subscribe(CompressedImage, _compressed_topic(node), parameters)
        else:
            self._subscription = self._subscribe(Image, node.resolve_topic_name("image"), parameters)

    @property
    def topic(self) -> str:
        """As remapped."""
        return self._subscription.topic_name

    @property
    def silence(self) -> float:
        """Seconds since an image came, or since the subscription."""
        return time.monotonic() - self._received

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """By the topic's name before remapping."""
        return {"image": self._subscription}

    @property
    def sharing_problem(self) -> str:
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
        """What may be the matter, for the log."""
        return explain_silence(self._node, "image", self._subscription, self.silence)

    def close(self) -> None:
        """Unsubscribes."""
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self, kind: type, topic: str, parameters: Parameters) -> Subscription:
        profile = qos.profile(parameters.image_reliability, parameters.image_depth)
        try:
            events = SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible)
            return self._node.create_subscription(kind, topic, self._receive, profile, event_callbacks=events)
        except UnsupportedEventTypeError:  # not every middleware reports this
            return self._node.create_subscription(kind, topic, self._receive, profile)

    def _receive(self, message: Any) -> None:
        self._received = time.monotonic()
        self._on_image(message)

    def _on_incompatible(self, info: Any) -> None:
        policy = qos_policy_name_from_kind(info.last_policy_kind)
        self._node.get_logger().warning(
            f"incompatible QoS on {self.topic} ({policy}): a publisher of images offers less than the subscription "
            "requests, and none of its images arrive: set image_reliability to best_effort",
            throttle_duration_sec=REPEAT,
        )


def _compressed_topic(node: Node) -> str:
    """That of `image/compressed` where it is remapped, else, as image_transport does, below that of `image`."""
    remapped = node.resolve_topic_name("image/compressed")
    if remapped != node.resolve_topic_name("image/compressed", only_expand=True):
        return remapped
    base = node.resolve_topic_name("image")
    return base if base.endswith("/compressed") else f"{base}/compressed"
