"""The subscription to camera_info, which drivers publish with each image, or once as transient local."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from sam2_ros.node import qos
from sam2_ros.node.conversions.depth import CameraInfos
from sam2_ros.node.inputs.receiver import Receiver
from sam2_ros.node.inputs.subscriptions import explain_silence

_PERIOD = 0.5  # seconds between two searches for a transient local publisher


class CameraInfoInput:
    """Subscribed from construction to `close`.

    A volatile subscription is compatible with every publisher, but does not receive what was published before. So a
    transient local subscription is added as soon as a publisher offers that; with a volatile publisher it would make
    both sides warn of incompatible QoS.
    """

    def __init__(self, node: Node, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._clock = clock
        self.infos = CameraInfos()
        self._started = clock()
        self._group = ReentrantCallbackGroup()
        self.receiver = self._subscribe(qos.profile("best_effort", 1))
        self._transient_local: Receiver | None = None
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulation time may stop
        self._timer = node.create_timer(
            _PERIOD, self._subscribe_transient_local, callback_group=self._group, clock=steady
        )
        self._subscribe_transient_local()

    @property
    def newest_receiver(self) -> Receiver:
        """The one to which the newest message came."""
        latched = self._transient_local
        return latched if latched is not None and self.receiver.age is None else self.receiver

    def warning(self, timeout: float) -> str:
        """Why no camera_info was received for `timeout` seconds or longer; empty: one was."""
        silence = self._clock() - self._started
        if not self.infos.is_empty or silence < timeout:
            return ""
        return self.explain_silence(silence)

    def explain_silence(self, silence: float) -> str:
        """Why none was received for `silence` seconds."""
        return explain_silence(self._node, "camera_info", self.receiver.subscription, silence)

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        for receiver in filter(None, (self.receiver, self._transient_local)):
            receiver.close()

    def _subscribe(self, profile: QoSProfile, entity_id: str | None = None) -> Receiver:
        return Receiver(
            self._node, CameraInfo, "camera_info", self.infos.add, profile, entity_id, callback_group=self._group
        )

    def _subscribe_transient_local(self) -> None:
        publishers = self._node.get_publishers_info_by_topic(self.receiver.topic)
        if any(info.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for info in publishers):
            self._transient_local = self._subscribe(qos.transient_local(1), "transient_local")
            self._timer.cancel()
