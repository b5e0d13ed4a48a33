"""All that exists while the node is active: its inputs, and the worker that they feed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription

from sam2_ros.node import features
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.messages import StampRangeError
from sam2_ros.node.diagnostics import FAULTY, HEALTHY, WARNING, Health
from sam2_ros.node.inputs.camera import Camera
from sam2_ros.node.inputs.clicked_point import ClickedPoint
from sam2_ros.node.inputs.depth import DepthInput
from sam2_ros.node.inputs.frame_ids import FrameIds
from sam2_ros.node.inputs.image_clock import Fault
from sam2_ros.node.inputs.prompts import PromptTopics
from sam2_ros.node.inputs.subscriptions import type_problem
from sam2_ros.node.inputs.transforms import Transforms
from sam2_ros.node.log import REPEAT
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.requests import PublishEvent, Requests
from sam2_ros.node.session import Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import ReceivedImage
from sam2_ros.node.worker import Worker


class Input(Protocol):
    """Subscribed from construction on."""

    @property
    def subscriptions(self) -> Mapping[str, Subscription]:
        """By the topic's name before remapping."""

    def close(self) -> None:
        """Unsubscribes."""


class Active:
    """Subscribed from construction to `close`. `publish_event` publishes the events of prompts that were rejected."""

    def __init__(
        self,
        node: LifecycleNode,
        parameters: Parameters,
        session: Session,
        statistics: Statistics,
        transforms: Transforms,
        publish_event: PublishEvent,
    ) -> None:
        self._node = node
        self._statistics = statistics
        self._transforms = transforms
        self._clock = session.clock
        self._frame_ids = FrameIds()
        self._worker = Worker(session, statistics)
        self.requests = Requests(node, session, self._worker, publish_event)
        self._depth: DepthInput | None = None
        self._inputs: list[Input] = []
        try:
            self._subscribe(node, parameters)
        except Exception:
            self.close()
            raise

    def _subscribe(self, node: LifecycleNode, parameters: Parameters) -> None:
        if parameters.depth and parameters.target_frame:
            self._transforms.open()
        self._inputs.append(PromptTopics(node, self.requests))
        if parameters.depth and not features.problem_with("message_filters"):
            self._depth = DepthInput(node, parameters, self._worker.put_image)
            self._inputs.append(self._depth)
        self._camera = Camera(node, parameters, self._on_image)
        self._inputs.append(self._camera)
        if parameters.clicked_point:
            self._inputs.append(ClickedPoint(node, self.requests, self._transforms))
        if parameters.detections and not features.problem_with("vision_msgs"):
            from sam2_ros.node.inputs.detections import DetectionInput

            self._inputs.append(DetectionInput(node, self.requests, self._statistics))

    def close(self, timeout: float | None = None) -> None:
        """Unsubscribes and waits for the worker, at most for `timeout` seconds (None: however long it takes)."""
        for entry in self._inputs:
            entry.close()
        self._transforms.close()
        self._worker.close(timeout)

    def health(self) -> Health:
        """How the stream is doing; what is wrong with an input is logged, too."""
        timeout = self._node.get_parameter("image_timeout").value
        if self._camera.silence > timeout:
            return self._warn(self._camera.explain_silence())
        if reason := self._type_problem():
            return self._warn(reason)
        if self._statistics.failing:
            return Health(FAULTY, self._statistics.failing)
        if reason := self._frame_ids.problem(self._camera.topic) or self._clock.problem:
            return self._warn(reason)
        if self._depth is not None and (reason := self._depth.problem(timeout)):
            return self._warn(reason)
        for reason in (self._statistics.depth_problem, self._statistics.detections.problem):
            if reason:
                return Health(WARNING, reason)
        return Health(HEALTHY, "paused by ~/enable" if self._worker.paused else "tracking")

    def _type_problem(self) -> str:
        """The first topic that is published, but with another message type."""
        named = (item for entry in self._inputs for item in entry.subscriptions.items())
        return next(filter(None, (type_problem(self._node, *item) for item in named)), "")

    def _warn(self, reason: str) -> Health:
        self._node.get_logger().warning(reason, throttle_duration_sec=REPEAT)
        return Health(WARNING, reason)

    def _on_image(self, message: Any) -> None:
        received = time.perf_counter()
        self._statistics.received += 1
        try:
            stamp = messages.seconds(message.header.stamp)
        except StampRangeError as error:
            self._refuse(error)
            return
        self._frame_ids.note(message.header.frame_id)
        jump = self._clock.jump
        if fault := self._clock.judge(stamp, received):
            self._ignore(fault, stamp)
            return
        if self._clock.jump is not jump:
            self._restart_inputs()
        frame = ReceivedImage(stamp, message, received, jump=self._clock.jump)
        if self._depth is not None:
            self._depth.put_image(frame)
        else:
            self._worker.put_image(frame)

    def _restart_inputs(self) -> None:
        self._transforms.restart()
        if self._depth is not None:
            self._depth.restart()

    def _refuse(self, error: StampRangeError) -> None:
        reason = f"cannot read an image: {error}"
        self._statistics.count_unusable(reason)
        self._node.get_logger().error(reason, throttle_duration_sec=REPEAT)

    def _ignore(self, fault: Fault, stamp: float) -> None:
        self._statistics.ignored_stamps[fault] += 1
        self._node.get_logger().warning(
            f"an image stamped {stamp:.6f} s is ignored, the newest one is stamped {self._clock.newest:.6f} s; if this "
            f"happens to more images, {fault.value}",
            throttle_duration_sec=REPEAT,
        )
