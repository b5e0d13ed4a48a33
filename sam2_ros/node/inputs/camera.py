"""The subscription to the camera's images."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from rclpy.node import Node
from rclpy.qos import QoSPolicyKind
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.node import qos
from sam2_ros.node.distributions import SubscriptionEventCallbacks, UnsupportedEventTypeError
from sam2_ros.node.inputs.receiver import Receiver
from sam2_ros.node.inputs.subscriptions import explain_silence
from sam2_ros.node.log import THROTTLE_PERIOD

_UNKNOWN = "_NODE_NAME_UNKNOWN_"  # that of a node which DDS has not heard of yet, or which is gone
_LINGERING = 30.0  # seconds; a publisher that was killed stays visible for up to 20


class CameraParameters(Protocol):
    """How images are subscribed to."""

    @property
    def image_transport(self) -> str:
        """raw or compressed"""

    @property
    def image_reliability(self) -> str:
        """best_effort or reliable"""

    @property
    def image_depth(self) -> int:
        """QoS history depth"""


class Camera:
    """Subscribed from construction to `close`."""

    def __init__(
        self,
        node: Node,
        parameters: CameraParameters,
        on_image: Callable[[Any], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is a steady one (seconds)."""
        self._node = node
        self._on_image = on_image
        self._clock = clock
        self._started = clock()
        self._alone = clock()  # when the topic last had at most one publisher
        if parameters.image_transport == "compressed":
            self._receiver = self._subscribe(CompressedImage, _compressed_topic(node), parameters)
        else:
            self._receiver = self._subscribe(Image, node.resolve_topic_name("image"), parameters)

    @property
    def topic(self) -> str:
        """After remapping."""
        return self._receiver.topic

    @property
    def silence(self) -> float:
        """Seconds since the newest image was received, or since the subscription was created."""
        age = self._receiver.age
        return self._clock() - self._started if age is None else age

    @property
    def receivers(self) -> dict[str, Receiver]:
        """By the topic's name before remapping."""
        return {"image": self._receiver}

    @property
    def sharing_warning(self) -> str:
        """Which nodes have published on the topic together for long, and what to do; empty where one does."""
        offers = self._node.get_publishers_info_by_topic(self.topic)
        if len(offers) < 2:
            self._alone = self._clock()
        if self._clock() - self._alone < _LINGERING:
            return ""
        names = sorted(f"{offer.node_namespace.rstrip('/')}/{offer.node_name}" for offer in offers)
        known = ", ".join(name for name in names if _UNKNOWN not in name)
        return (
            f"{len(offers)} publishers share {self.topic} ({known or 'of unknown nodes'}), their images are taken for "
            "those of one camera: let each publish on a topic of its own, and remap `image` to one of them"
        )

    def explain_silence(self) -> str:
        """Why no images may be received."""
        return explain_silence(self._node, "image", self._receiver.subscription, self.silence)

    def close(self) -> None:
        """Unsubscribe."""
        self._receiver.close()

    def _subscribe(self, message_type: type, topic: str, parameters: CameraParameters) -> Receiver:
        profile = qos.profile(parameters.image_reliability, parameters.image_depth)
        subscribe = partial(Receiver, self._node, message_type, topic, self._on_image, profile, clock=self._clock)
        try:
            return subscribe(event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos))
        except UnsupportedEventTypeError:  # not every RMW implementation reports this
            return subscribe()

    def _on_incompatible_qos(self, info: Any) -> None:
        if info.last_policy_kind == QoSPolicyKind.RELIABILITY:
            conflict = "publisher offers best_effort, subscription requests reliable"
            advice = "set image_reliability to best_effort"
        else:  # the subscription is volatile unless a parameter says otherwise
            conflict = f"the publisher does not offer the {info.last_policy_kind.name.lower()} of the subscription"
            advice = f"remove the parameter qos_overrides.{self.topic}.subscription"
        self._node.get_logger().warning(
            f"incompatible QoS on {self.topic}: {conflict}, so its images are not received: {advice}",
            throttle_duration_sec=THROTTLE_PERIOD,
        )


def _compressed_topic(node: Node) -> str:
    """`image/compressed` where it is remapped; else `image` + /compressed, as image_transport does."""
    remapped: str = node.resolve_topic_name("image/compressed")
    if remapped != node.resolve_topic_name("image/compressed", only_expand=True):
        return remapped
    base = node.resolve_topic_name("image")
    return base if base.endswith("/compressed") else f"{base}/compressed"
