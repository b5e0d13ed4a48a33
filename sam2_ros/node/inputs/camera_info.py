"""The subscription to camera_info, which drivers repeat with each image, or latch: publish once, transient local."""

from __future__ import annotations

import time

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from sam2_ros.node import qos
from sam2_ros.node.conversions.depth import CameraInfos
from sam2_ros.node.inputs.subscriptions import explain_silence

_PERIOD = 0.5  # seconds between two looks for a publisher that latches


class CameraInfoInput:
    """Subscribed from construction to `close`.

    A volatile subscription matches every publisher, but does not get what was published before. For that a second
    one, transient local, is added as soon as a publisher offers it: asked of a volatile publisher it would make both
    sides warn of incompatible QoS.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.infos = CameraInfos()
        self._started = time.monotonic()
        self._group = ReentrantCallbackGroup()
        self.subscription = self._subscribe(qos.profile("best_effort", 1))
        self._latched: Subscription | None = None
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self._timer = node.create_timer(_PERIOD, self._find_latched, callback_group=self._group, clock=steady)
        self._find_latched()

    def problem(self, timeout: float) -> str:
        """Why no camera_info at all has come for `timeout` seconds or longer; empty: one has."""
        silence = time.monotonic() - self._started
        if not self.infos.is_empty or silence < timeout:
            return ""
        return self.explain_silence(silence)

    def explain_silence(self, silence: float) -> str:
        """Why none has come for `silence` seconds."""
        return explain_silence(self._node, "camera_info", self.subscription, silence)

    def close(self) -> None:
        """Unsubscribes."""
        self._node.destroy_timer(self._timer)
        for subscription in filter(None, (self.subscription, self._latched)):
            self._node.destroy_subscription(subscription)

    def _subscribe(self, profile: QoSProfile) -> Subscription:
        return self._node.create_subscription(
            CameraInfo, "camera_info", self.infos.add, profile, callback_group=self._group
        )

    def _find_latched(self) -> None:
        offers = self._node.get_publishers_info_by_topic(self.subscription.topic_name)
        if any(offer.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for offer in offers):
            self._latched = self._subscribe(qos.latched(1))
            self._timer.cancel()
