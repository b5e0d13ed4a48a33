"""Synchronizes images with depth: by equal stamps, else within `depth_slop`.

An image never waits for long: it is processed without depth when the next image is received, and immediately while
depth has been missing for a while. Depth that is received before the image's results are published is still used.
camera_info is not synchronized: the newest for the image's size is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Image

from sam2_ros.node import qos
from sam2_ros.node.conversions.depth import PendingDepth
from sam2_ros.node.conversions.messages import StampRangeError, seconds
from sam2_ros.node.inputs.camera_info import CameraInfoInput
from sam2_ros.node.inputs.depth_monitor import DepthMonitor
from sam2_ros.node.inputs.receiver import Receiver
from sam2_ros.node.inputs.subscriptions import explain_silence
from sam2_ros.node.log import THROTTLE_PERIOD
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.types import ReceivedImage

_QUEUE_SIZE = 8  # messages of each topic
_MAX_DIFFERENCE = 60.0  # seconds between depth and the newest image: with a stray stamp it would stay queued for ever
_TIMEOUT = 0.1  # seconds for which an image waits where no other one is received
# Images do not wait while no depth has matched for this long, and for this many images.
_UNMATCHED_SECONDS = 1.0
_UNMATCHED_IMAGES = 3


class DepthInput:
    """Passes images on in order, with depth that is received in time; subscribed from construction to `close`."""

    def __init__(
        self,
        node: Node,
        parameters: Parameters,
        put_image: Callable[[ReceivedImage], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is a steady one (seconds)."""
        import message_filters

        self._node = node
        self._put_image = put_image
        self._clock = clock
        self._waiting: ReceivedImage | None = None
        self._newest: PendingDepth | None = None  # of the newest image
        self._received = 0.0  # when the newest image was received
        self._unmatched = 0  # images since the last one whose depth was received before the next image
        self._matched = clock()  # when that was received
        self._is_exact = False  # whether the last image with depth matched by an equal stamp
        self._monitor = DepthMonitor(parameters.depth_slop, clock)
        self._stamp: float | None = None  # of the newest image, seconds
        self._images = message_filters.SimpleFilter()
        self._usable_depth = message_filters.SimpleFilter()
        profile = qos.profile(parameters.image_reliability, _QUEUE_SIZE)
        self._camera_info = CameraInfoInput(node, clock)
        try:
            self._depth = Receiver(node, Image, "depth", self._on_depth, profile)
        except RuntimeError:  # rclpy's, where `camera_info` is remapped to the same topic
            self._camera_info.close()
            raise
        inputs = [self._images, self._usable_depth]
        self._synchronizers = [message_filters.TimeSynchronizer(inputs, _QUEUE_SIZE)]
        self._synchronizers[0].registerCallback(self._on_exact)
        if slop := parameters.depth_slop:
            self._synchronizers.append(message_filters.ApproximateTimeSynchronizer(inputs, _QUEUE_SIZE, slop / 1000))
            self._synchronizers[1].registerCallback(self._on_approximate)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_TIMEOUT / 2, self._on_timer, clock=steady)

    def put_image(self, image: ReceivedImage) -> None:
        """Pass the image on with its depth, or without where that is not received in time."""
        self._release()
        self._received = self._clock()
        self._stamp = image.stamp
        self._monitor.receive("image", image.stamp)
        self._newest = PendingDepth(image.message.header, self._camera_info.infos)
        self._waiting = replace(image, depth=self._newest)
        self._unmatched += 1
        self._images.signalMessage(self._newest)
        if self._unmatched > _UNMATCHED_IMAGES and self._received - self._matched > _UNMATCHED_SECONDS:
            self._release()

    def reset(self) -> None:
        """Clear the queues, because the image stamps jumped back.

        The synchronizers drop the smallest stamp first, so old messages would displace new ones.
        """
        for synchronizer in self._synchronizers:
            for queue in synchronizer.queues:
                queue.clear()
        self._monitor.reset()

    @property
    def receivers(self) -> dict[str, Receiver]:
        """By the topic's name before remapping."""
        return {"depth": self._depth, "camera_info": self._camera_info.newest_receiver}

    def warning(self, timeout: float) -> str:
        """Why images have not been lifted to 3-D for `timeout` seconds or longer; empty: they have."""

        def explain(silence: float) -> str:
            return explain_silence(self._node, "depth", self._depth.subscription, silence)

        reasons = [self._monitor.warning(timeout, explain)]
        if self._monitor.has_images(timeout):
            reasons.append(self._camera_info.warning(timeout))
        found = "; ".join(filter(None, reasons))
        return found and f"{found}; tracking continues in 2-D"

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        self._depth.close()
        self._camera_info.close()
        self._waiting = None

    def _on_depth(self, message: Image) -> None:
        try:
            stamp = seconds(message.header.stamp)
        except StampRangeError as error:
            self._node.get_logger().warning(f"ignoring a depth image: {error}", throttle_duration_sec=THROTTLE_PERIOD)
            return
        self._monitor.receive("depth", stamp)
        if self._stamp is None or abs(stamp - self._stamp) <= _MAX_DIFFERENCE:
            self._usable_depth.signalMessage(message)

    def _on_exact(self, pending: PendingDepth, depth: Image) -> None:
        pending.depth = depth
        self._match(pending)

    def _on_approximate(self, pending: PendingDepth, depth: Image) -> None:
        if pending.depth is not None:
            return
        pending.depth = depth
        if not self._is_exact:  # else depth with an equal stamp may follow while the image waits
            self._match(pending)

    def _match(self, pending: PendingDepth) -> None:
        if pending is self._newest:
            self._unmatched, self._matched = 0, self._clock()
        if self._waiting is not None and self._waiting.depth is pending:
            self._release()
        elif not pending.is_missed:
            self._monitor.match()

    def _release(self) -> None:
        """Pass on the image that waits."""
        if self._waiting is None:
            return
        image, self._waiting = self._waiting, None
        assert image.depth is not None
        if image.depth.depth is not None:
            self._monitor.match()
            self._is_exact = image.depth.is_exact
        else:
            self._monitor.miss()
        self._put_image(image)

    def _on_timer(self) -> None:
        if self._clock() - self._received > _TIMEOUT:
            self._release()
