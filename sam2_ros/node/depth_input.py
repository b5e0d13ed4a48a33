"""Images meet their depth and camera_info: at exactly the same stamp first, else within `depth_slop`.

An image never waits for long: it goes on without its depth when the next image comes, and at once when depth has
been missing for a while. Depth that comes before the image's results are published still counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from sam2_ros.node import qos
from sam2_ros.node.camera import explain_silence
from sam2_ros.node.depth_conversion import AwaitedDepth
from sam2_ros.node.depth_watch import TOPICS, DepthWatch
from sam2_ros.node.messages import seconds
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.worker import Frame

_KEPT = 8  # messages of each topic that may still find their image
_PATIENCE = 0.1  # seconds for which an image waits where no other one comes
_GIVEN_UP_AFTER = 1.0  # seconds in which depth came for no image, and for
_GIVEN_UP_IMAGES = 3  # images in a row: then the next ones do not wait


class DepthInput:
    """Takes images from the camera and hands them on in the same order; subscribed from construction to `close`."""

    def __init__(self, node: Node, parameters: Parameters, offer: Callable[[Frame], None]) -> None:
        import message_filters

        self._node = node
        self._offer = offer
        self._waiting: Frame | None = None
        self._newest: AwaitedDepth | None = None  # of the newest image
        self._taken = 0.0  # when the newest image came, seconds on the steady clock
        self._in_vain = 0  # images since the last whose depth came before the next image
        self._in_time = time.monotonic()  # when that was
        self._is_exact = False  # whether the last image that met its depth did so at the same stamp
        self._watch = DepthWatch(parameters.depth_slop)
        self._images = message_filters.SimpleFilter()
        profile = qos.profile(parameters.image_reliability, _KEPT)
        self._topics = {
            topic: message_filters.Subscriber(node, kind, topic, qos_profile=profile)
            for topic, kind in zip(TOPICS, (Image, CameraInfo))
        }
        for topic, subscriber in self._topics.items():
            subscriber.registerCallback(self._note, topic)
        inputs = [self._images, *self._topics.values()]
        self._synchronizers = [message_filters.TimeSynchronizer(inputs, _KEPT)]
        self._synchronizers[0].registerCallback(self._on_exact)
        if slop := parameters.depth_slop:
            self._synchronizers.append(message_filters.ApproximateTimeSynchronizer(inputs, _KEPT, slop / 1000))
            self._synchronizers[1].registerCallback(self._on_close)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PATIENCE / 2, self._on_timer, clock=steady)

    def take(self, frame: Frame) -> None:
        """Hands the image on once its depth is there, or cannot be waited for."""
        self._release()
        self._taken = time.monotonic()
        self._watch.hear("image", frame.stamp)
        self._newest = AwaitedDepth(frame.message.header)
        self._waiting = replace(frame, depth=self._newest)
        self._in_vain += 1
        self._images.signalMessage(self._newest)
        if self._in_vain > _GIVEN_UP_IMAGES and self._taken - self._in_time > _GIVEN_UP_AFTER:
            self._release()

    def restart(self) -> None:
        """Drops what waits for older images, because image stamps were set back.

        Old stamps would keep new ones out of the synchronizers, which let go of the smallest first.
        """
        for synchronizer in self._synchronizers:
            for queue in synchronizer.queues:
                queue.clear()
        self._watch.forget()

    def problem(self, timeout: float) -> str:
        """What keeps images and depth from meeting for `timeout` seconds or longer; empty: nothing does."""

        def explain(topic: str, silence: float) -> str:
            return explain_silence(self._node, self._topics[topic].sub, topic, silence)

        return self._watch.problem(timeout, explain)

    def close(self) -> None:
        """Unsubscribes."""
        self._node.destroy_timer(self._timer)
        for subscriber in self._topics.values():
            self._node.destroy_subscription(subscriber.sub)
        self._waiting = None

    def _note(self, message: Any, topic: str) -> None:
        self._watch.hear(topic, seconds(message.header.stamp))

    def _on_exact(self, awaited: AwaitedDepth, depth: Image, info: CameraInfo) -> None:
        awaited.found = depth, info
        self._meet(awaited)

    def _on_close(self, awaited: AwaitedDepth, depth: Image, info: CameraInfo) -> None:
        if awaited.found is not None:
            return
        awaited.found = depth, info
        if not self._is_exact:  # else better depth is to be expected as long as the image waits
            self._meet(awaited)

    def _meet(self, awaited: AwaitedDepth) -> None:
        if awaited is self._newest:
            self._in_vain, self._in_time = 0, time.monotonic()
        if self._waiting is not None and self._waiting.depth is awaited:
            self._release()
        elif not awaited.is_missed:
            self._watch.meet()

    def _release(self) -> None:
        """Hands on the image that waits."""
        if self._waiting is None:
            return
        frame, self._waiting = self._waiting, None
        assert frame.depth is not None
        if frame.depth.found is not None:
            self._watch.meet()
            self._is_exact = frame.depth.is_exact
        else:
            self._watch.miss()
        self._offer(frame)

    def _on_timer(self) -> None:
        if time.monotonic() - self._taken > _PATIENCE:
            self._release()
