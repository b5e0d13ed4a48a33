"""The subscription to the camera, and what to say when nothing comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.node import qos
from sam2_ros.node.log import REPEAT
from sam2_ros.node.parameters import Parameters

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError


class Camera:
    """Subscribed from construction to `close`."""

    def __init__(self, node: Node, parameters: Parameters, on_image: Callable[[Any], None]) -> None:
        self._node = node
        self._clock = node.get_clock()
        self._on_image = on_image
        self._newest = self._clock.now()
        base = node.resolve_topic_name("image")
        if parameters.image_transport == "compressed":
            # image_transport appends to the resolved name, so that remapping `image` is enough.
            self._subscription = self._subscribe(CompressedImage, f"{base}/compressed", parameters)
        else:
            self._subscription = self._subscribe(Image, base, parameters)

    @property
    def topic(self) -> str:
        """As remapped."""
        return self._subscription.topic_name

    @property
    def silence(self) -> float:
        """Seconds of the node's clock since an image came, or since the subscription."""
        now = self._clock.now()
        if not self._newest.nanoseconds:  # simulated time had not begun
            self._newest = now
        return (now - self._newest).nanoseconds / 1e9

    def explain_silence(self) -> str:
        """What may be the matter, for the log."""
        return explain_silence(self._node, self._subscription, "image", self.silence)

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
        self._newest = self._clock.now()
        self._on_image(message)

    def _on_incompatible(self, info: Any) -> None:
        policy = qos_policy_name_from_kind(info.last_policy_kind)
        self._node.get_logger().warning(
            f"a publisher of images offers another quality of service than is asked for ({policy}), and none "
            "of its images arrive: set image_reliability to best_effort",
            throttle_duration_sec=REPEAT,
        )


def explain_silence(node: Node, subscription: Subscription, name: str, silence: float) -> str:
    """Why nothing may have come for `silence` seconds on the topic that is called `name` before remapping."""
    topic = subscription.topic_name
    offers = node.get_publishers_info_by_topic(topic)
    complaint = f"no {name} on {topic} for {silence:.1f} s"
    if not offers:
        return (
            f"{complaint}: nobody publishes there. Start the camera, or remap `{name}` to its topic "
            f"(`ros2 topic list -t` shows them){' and choose image_transport to fit' if name == 'image' else ''}"
        )
    offered = ", ".join(sorted({offer.qos_profile.reliability.name.lower() for offer in offers}))
    asked = subscription.qos_profile.reliability
    if asked is ReliabilityPolicy.RELIABLE and "best_effort" in offered:
        advice = "the camera does not offer reliable delivery: set image_reliability to best_effort"
    else:
        advice = (
            "is the camera running? Fast DDS loses large best-effort images on its default transport, and with "
            "ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST: set FASTDDS_BUILTIN_TRANSPORTS to LARGE_DATA for both "
            "processes, and the range to SUBNET"
        )
    publishers = f"{len(offers)} publishers ({offered}, asked: {asked.name.lower()})"
    return f"{complaint}, though there are {publishers}: {advice}"
