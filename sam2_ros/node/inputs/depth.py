"""Matches images with their depth: at exactly the same stamp first, else within `depth_slop`.

An image never waits for long: it goes on without its depth when the next image comes, and at once when depth has
been missing for a while. Depth that comes before the image's results are published still counts. camera_info is not
matched by stamp: the newest for the image's size counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from sam2_ros.node import qos
from sam2_ros.node.conversions.depth import PendingDepth
from sam2_ros.node.conversions.messages import StampRangeError, seconds
from sam2_ros.node.inputs.camera_info import CameraInfoInput
from sam2_ros.node.inputs.depth_watch import DepthWatch
from sam2_ros.node.inputs.subscriptions import explain_silence
from sam2_ros.node.log import REPEAT
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.types import ReceivedImage

_KEPT = 8  # messages of each topic that may still match
_FARTHEST = 60.0  # seconds between a depth and the newest image: with a stray stamp it would wait for ever
_PATIENCE = 0.1  # seconds for which an image waits where no other one comes
_GIVEN_UP_AFTER = 1.0  # seconds in which no depth matched, and for
_GIVEN_UP_IMAGES = 3  # images in a row: then the next ones do not wait


class DepthInput:
    """Takes images from the camera and hands them on in the same order; subscribed from construction to `close`."""

    def __init__(self, node: Node, parameters: Parameters, put_image: Callable[[ReceivedImage], None]) -> None:
        import message_filters

        self._node = node
        self._put_image = put_image
        self._waiting: ReceivedImage | None = None
        self._newest: PendingDepth | None = None  # of the newest image
        self._taken = 0.0  # when the newest image came, seconds on the steady clock
        self._unmatched = 0  # images since the last whose depth came before the next image
        self._matched = time.monotonic()  # when that was
        self._is_exact = False  # whether the last image that has its depth matched at the same stamp
        self._watch = DepthWatch(parameters.depth_slop)
        self._stamp: float | None = None  # of the newest image, seconds
        self._images = message_filters.SimpleFilter()
        self._usable_depth = message_filters.SimpleFilter()
        profile = qos.profile(parameters.image_reliability, _KEPT)
        self._camera_info = CameraInfoInput(node)
        try:
            self._depth = message_filters.Subscriber(node, Image, "depth", qos_profile=profile)
        except RuntimeError:  # rclpy's, where it is the topic of camera_info, too
            self._camera_info.close()
            raise
        self._depth.registerCallback(self._on_depth)
        inputs = [self._images, self._usable_depth]
        self._synchronizers = [message_filters.TimeSynchronizer(inputs, _KEPT)]
        self._synchronizers[0].registerCallback(self._on_exact)
        if slop := parameters.depth_slop:
            self._synchronizers.append(message_filters.ApproximateTimeSynchronizer(inputs, _KEPT, slop / 1000))
            self._synchronizers[1].registerCallback(self._on_close)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PATIENCE / 2, self._on_timer, clock=steady)

    def put_image(self, frame: ReceivedImage) -> None:
        """Hands the image on once its depth is there, or cannot be waited for."""
        self._release()
        self._taken = time.monotonic()
        self._stamp = frame.stamp
        self._watch.receive("image", frame.stamp)
        self._newest = PendingDepth(frame.message.header, self._camera_info.infos)
        self._waiting = replace(frame, depth=self._newest)
        self._unmatched += 1
        self._images.signalMessage(self._newest)
        if self._unmatched > _GIVEN_UP_IMAGES and self._taken - self._matched > _GIVEN_UP_AFTER:
            self._release()

    def restart(self) -> None:
        """Drops what waits for older images, because image stamps were set back.

        Old stamps would keep new ones out of the synchronizers, which let go of the smallest first.
        """
        for synchronizer in self._synchronizers:
            for queue in synchronizer.queues:
                queue.clear()
        self._watch.restart()

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """By the topic's name before remapping."""
        return {"depth": self._depth.sub, "camera_info": self._camera_info.subscription}

    def problem(self, timeout: float) -> str:
        """What keeps images from being lifted to 3-D for `timeout` seconds or longer; empty: nothing does."""

        def explain(silence: float) -> str:
            return explain_silence(self._node, "depth", self._depth.sub, silence)

        reasons = [self._watch.problem(timeout, explain)]
        if self._watch.has_images(timeout):
            reasons.append(self._camera_info.problem(timeout))
        found = "; ".join(filter(None, reasons))
        return found and f"{found}; tracking continues in 2-D"

    def close(self) -> None:
        """Unsubscribes."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._depth.sub)
        self._camera_info.close()
        self._waiting = None

    def _on_depth(self, message: Image) -> None:
        try:
            stamp = seconds(message.header.stamp)
        except StampRangeError as error:
            self._node.get_logger().warning(f"a depth image is ignored: {error}", throttle_duration_sec=REPEAT)
            return
        self._watch.receive("depth", stamp)
        if self._stamp is None or abs(stamp - self._stamp) <= _FARTHEST:
            self._usable_depth.signalMessage(message)

    def _on_exact(self, awaited: PendingDepth, depth: Image) -> None:
        awaited.depth = depth
        self._match(awaited)

    def _on_close(self, awaited: PendingDepth, depth: Image) -> None:
        if awaited.depth is not None:
            return
        awaited.depth = depth
        if not self._is_exact:  # else better depth is to be expected as long as the image waits
            self._match(awaited)

    def _match(self, awaited: PendingDepth) -> None:
        if awaited is self._newest:
            self._unmatched, self._matched = 0, time.monotonic()
        if self._waiting is not None and self._waiting.depth is awaited:
            self._release()
        elif not awaited.is_missed:
            self._watch.match()

    def _release(self) -> None:
        """Hands on the image that waits."""
        if self._waiting is None:
            return
        frame, self._waiting = self._waiting, None
        assert frame.depth is not None
        if frame.depth.depth is not None:
            self._watch.match()
            self._is_exact = frame.depth.is_exact
        else:
            self._watch.miss()
        self._put_image(frame)

    def _on_timer(self) -> None:
        if time.monotonic() - self._taken > _PATIENCE:
            self._release()
