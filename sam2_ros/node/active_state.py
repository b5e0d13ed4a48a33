"""The node's active state: its subscriptions, and the worker that processes what they receive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from rclpy.lifecycle import LifecycleNode

from sam2_ros.node import features
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.depth import CameraInfos
from sam2_ros.node.conversions.messages import StampRangeError
from sam2_ros.node.diagnostics import ERROR, OK, WARN, Component, Status, input_component
from sam2_ros.node.inputs.camera import Camera
from sam2_ros.node.inputs.camera_info import CameraInfoInput
from sam2_ros.node.inputs.clicked_point import ClickedPoint
from sam2_ros.node.inputs.depth import DepthInput
from sam2_ros.node.inputs.frame_ids import FrameIds
from sam2_ros.node.inputs.prompts import PromptTopics
from sam2_ros.node.inputs.receiver import Receiver
from sam2_ros.node.inputs.stamp_filter import StampFault
from sam2_ros.node.inputs.subscriptions import type_mismatch
from sam2_ros.node.inputs.transforms import Transforms
from sam2_ros.node.log import THROTTLE_PERIOD
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.requests import PublishEvent, Requests
from sam2_ros.node.session import Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import ReceivedImage
from sam2_ros.node.worker import Worker


class Input(Protocol):
    """Subscribed from construction to `close`."""

    @property
    def receivers(self) -> Mapping[str, Receiver]:
        """By the topic's name before remapping."""

    def close(self) -> None:
        """Unsubscribe."""


class ActiveState:
    """Subscribed from construction to `close`. `publish_event` publishes the events about rejected prompts."""

    def __init__(
        self,
        node: LifecycleNode,
        parameters: Parameters,
        session: Session,
        statistics: Statistics,
        transforms: Transforms,
        publish_event: PublishEvent,
        needs_camera_info: Callable[[], bool],
    ) -> None:
        self._node = node
        self._statistics = statistics
        self._transforms = transforms
        self._stamp_filter = session.stamp_filter
        self._frame_ids = FrameIds()
        self._needs_camera_info = needs_camera_info  # whether an output does
        self._camera_info: CameraInfoInput | None = None  # from when an output first needs it
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
        if parameters.depth and not features.import_error("message_filters"):
            self._depth = DepthInput(node, parameters, self._worker.put_image)
            self._inputs.append(self._depth)
        self._camera = Camera(node, parameters, self._on_image)
        self._inputs.append(self._camera)
        if parameters.clicked_point:
            self._inputs.append(ClickedPoint(node, self.requests, self._transforms))
        if parameters.detections and not features.import_error("vision_msgs"):
            from sam2_ros.node.inputs.detections import DetectionInput

            self._inputs.append(DetectionInput(node, self.requests, self._statistics))

    def close(self, timeout: float | None = None) -> None:
        """Unsubscribe and wait for the worker, for `timeout` seconds at most (None: without limit)."""
        for entry in self._inputs:
            entry.close()
        if self._camera_info is not None:
            self._camera_info.close()
        self._transforms.close()
        self._worker.close(timeout)

    # ---- images

    def _on_image(self, message: Any) -> None:
        received = time.perf_counter()
        self._statistics.received += 1
        try:
            stamp = messages.seconds(message.header.stamp)
        except StampRangeError as error:
            self._refuse_image(error)
            return
        self._frame_ids.add(message.header.frame_id)
        jump = self._stamp_filter.jump
        if fault := self._stamp_filter.check(stamp, received):
            self._ignore_image(fault, stamp)
            return
        if self._stamp_filter.jump is not jump:
            self._reset_inputs()
        image = ReceivedImage(stamp, message, received, jump=self._stamp_filter.jump, camera_infos=self._camera_infos())
        if self._depth is not None:
            self._depth.put_image(image)
        else:
            self._worker.put_image(image)

    def _camera_infos(self) -> CameraInfos | None:
        if self._camera_info is None and self._needs_camera_info():
            self._camera_info = CameraInfoInput(self._node)
        return None if self._camera_info is None else self._camera_info.infos

    def _reset_inputs(self) -> None:
        """After a time jump back, what is buffered from before does not match any more."""
        self._transforms.reset()
        if self._depth is not None:
            self._depth.reset()

    def _refuse_image(self, error: StampRangeError) -> None:
        reason = f"cannot read an image: {error}"
        self._statistics.count_unusable(reason)
        self._node.get_logger().error(reason, throttle_duration_sec=THROTTLE_PERIOD)

    def _ignore_image(self, fault: StampFault, stamp: float) -> None:
        self._statistics.ignored_stamps[fault] += 1
        self._node.get_logger().warning(
            f"ignoring an image stamped {stamp:.6f} s, the newest one has {self._stamp_filter.newest:.6f} s; if this "
            f"happens to more images, {fault.value}",
            throttle_duration_sec=THROTTLE_PERIOD,
        )

    # ---- diagnostics

    def status(self) -> Status:
        """For /diagnostics; warnings about the inputs are logged, too."""
        timeout = self._node.get_parameter("image_timeout").value
        if self._camera.silence > timeout:
            return self._warn(self._camera.explain_silence())
        if reason := self._type_mismatch():
            return self._warn(reason)
        if self._statistics.image_error:
            return Status(ERROR, self._statistics.image_error)
        if (
            reason := self._frame_ids.warning(self._camera.topic)
            or self._stamp_filter.warning
            or self._camera.sharing_warning
        ):
            return self._warn(reason)
        if self._depth is not None and (reason := self._depth.warning(timeout)):
            return self._warn(reason)
        for reason in (self._statistics.depth_warning, self._statistics.detections.warning):
            if reason:
                return Status(WARN, reason)
        return Status(OK, "paused by ~/enable" if self._worker.paused else "tracking")

    def _type_mismatch(self) -> str:
        """The first topic that is published with another message type only."""
        mismatches = (type_mismatch(self._node, name, receiver.subscription) for name, receiver in self._receivers())
        return next(filter(None, mismatches), "")

    def input_components(self) -> list[Component]:
        """The status of each input, for /diagnostics."""
        timeout = self._node.get_parameter("image_timeout").value
        warnings = {
            "image": self._camera.explain_silence() if self._camera.silence > timeout else "",
            "depth": self._depth.warning(timeout) if self._depth else "",
        }
        return [
            input_component(self._node, name, receiver, warnings.get(name, "")) for name, receiver in self._receivers()
        ]

    def _receivers(self) -> Iterator[tuple[str, Receiver]]:
        for entry in self._inputs:
            yield from entry.receivers.items()

    def _warn(self, reason: str) -> Status:
        self._node.get_logger().warning(reason, throttle_duration_sec=THROTTLE_PERIOD)
        return Status(WARN, reason)
