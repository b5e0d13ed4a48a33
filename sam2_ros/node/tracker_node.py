"""The lifecycle node `sam2_tracker`: its states, parameters and diagnostics around the session.

The executor's thread only receives and answers; whatever touches the network runs on the worker's thread.

    configure    loads the model, sets its memory aside
    activate     subscribes and starts the worker
    deactivate   unsubscribes and stops the worker; what is followed is remembered
    cleanup      frees the model and its memory
"""

from __future__ import annotations

import functools
import gc
import time
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from sam2_ros.model import CheckpointError
from sam2_ros.node import features, messages, parameters
from sam2_ros.node.camera import Camera
from sam2_ros.node.clicked_point import ClickedPoint
from sam2_ros.node.depth_input import DepthInput
from sam2_ros.node.diagnostics import FAULTY, HEALTHY, WARNING, Health, device_values, diagnostic_array
from sam2_ros.node.lifter import Lifter
from sam2_ros.node.loading import build_tracker
from sam2_ros.node.outputs import Outputs
from sam2_ros.node.parameters import ParameterError
from sam2_ros.node.prompt_topics import PromptTopics
from sam2_ros.node.requests import Requests
from sam2_ros.node.services import Services
from sam2_ros.node.session import MAX_REORDERING, Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.transforms import Transforms
from sam2_ros.node.worker import Frame, JobRefused, Worker
from sam2_ros.tracking.types import Event

Transition = Callable[["TrackerNode", LifecycleState], TransitionCallbackReturn]

_INACTIVE = "the node is not active: bring it to active (`ros2 lifecycle set NODE configure`, then `activate`)"
_REPEAT = 5.0  # seconds between two log lines of the same kind


class Input(Protocol):
    """Subscribed from construction on."""

    def close(self) -> None:
        """Unsubscribes."""


def _logged(transition: Transition) -> Transition:
    """Lets the log know of exceptions, which rclpy keeps to itself."""

    @functools.wraps(transition)
    def change(node: TrackerNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().error(f"{transition.__name__} failed: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return change


class TrackerNode(LifecycleNode):
    """Raises ParameterError where a parameter given at the start cannot be used."""

    def __init__(self) -> None:
        super().__init__("sam2_tracker", automatically_declare_parameters_from_overrides=True)
        self._statistics = Statistics()
        self._session: Session | None = None  # while configured
        self._outputs: Outputs | None = None  # while configured
        self._device: torch.device | None = None  # while configured
        self._missing: list[str] = []  # features that were asked for and cannot be had
        self._worker: Worker | None = None  # while active
        self._requests: Requests | None = None  # while active
        self._camera: Camera | None = None  # while active
        self._depth: DepthInput | None = None  # while active, where it is asked for and can be had
        self._transforms = Transforms(self)
        self._newest_stamp = 0.0  # of the images, seconds
        self._inputs: list[Input] = []  # besides the camera, while active
        values = parameters.declare(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        Services(self, self._active_requests)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._diagnostics_timer = self.create_timer(values.diagnostics_period, self._on_diagnostics)

    # Lifecycle

    @_logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model; on failure the node stays unconfigured, and can be configured again."""
        values = parameters.read(self)
        self._diagnostics_timer.timer_period_ns = int(values.diagnostics_period * 1e9)
        try:
            tracker = build_tracker(values)
        except (ParameterError, CheckpointError, ValueError, torch.cuda.OutOfMemoryError) as error:
            self._statistics.last_error = f"cannot configure: {error}"
            self.get_logger().error(self._statistics.last_error)
            return TransitionCallbackReturn.FAILURE
        self._statistics = Statistics()
        logger = self.get_logger()
        lifter = Lifter(values.target_frame, self._transforms, self._statistics, logger) if values.depth else None
        self._outputs = Outputs(self, values, lifter)
        self._session = Session(tracker, self._outputs, self._statistics, self.get_logger())
        for text in features.missing(values, by_default=True):
            self.get_logger().info(text)
        self._missing = features.missing(values)
        for text in self._missing:
            self.get_logger().warning(text)
        self._device = tracker.model.device
        self.get_logger().info(f"{values.model} is ready on {self._device}")
        return super().on_configure(state)

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts to follow."""
        assert self._session is not None
        result = super().on_activate(state)
        values = parameters.read(self)
        self._worker = Worker(self._session, self._statistics)
        self._requests = Requests(self, self._session, self._worker, self._tell)
        self._inputs = [PromptTopics(self, self._requests), self._transforms]
        if values.clicked_point:
            self._inputs.append(ClickedPoint(self, self._requests, self._transforms))
        if values.detections and not features.problem_with("vision_msgs"):
            from sam2_ros.node.detections import DetectionInput

            self._inputs.append(DetectionInput(self, self._requests, self._statistics))
        if values.depth and values.target_frame:
            self._transforms.open()
        if values.depth and not features.problem_with("message_filters"):
            self._depth = DepthInput(self, values, self._worker.offer)
        self._camera = Camera(self, values, self._on_image)
        return result

    @_logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops; what is followed is remembered."""
        self.stop()
        return super().on_deactivate(state)

    @_logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Gives the model's memory back."""
        self._free()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops and frees, from any state."""
        self.stop()
        self._free()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that raised: back to unconfigured, from where it can be tried again."""
        self.stop()
        self._free()
        return TransitionCallbackReturn.SUCCESS

    def stop(self) -> None:
        """Unsubscribes and waits for the worker; to be called before the node is destroyed."""
        for entry in self._inputs:
            entry.close()
        self._inputs = []
        self._requests = None
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._depth is not None:
            self._depth.close()
            self._depth = None
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _free(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
        self._session = self._outputs = self._device = None
        gc.collect()  # models hold cycles
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    # Images and requests

    def _on_image(self, message: Any) -> None:
        received = time.perf_counter()
        self._statistics.received += 1
        frame = Frame(messages.seconds(message.header.stamp), message, received)
        if frame.stamp < self._newest_stamp - MAX_REORDERING:
            self._transforms.restart()
        self._newest_stamp = frame.stamp
        if self._depth is not None:
            self._depth.take(frame)
        elif self._worker is not None:
            self._worker.offer(frame)

    def _tell(self, event: Event, frame_id: str, label: str) -> None:
        if self._outputs is not None:  # a request may be refused because the node is being cleaned up
            self._outputs.publish_event(event, frame_id, label)

    def _active_requests(self) -> Requests:
        if self._requests is None:
            raise JobRefused(_INACTIVE)
        return self._requests

    # Parameters and diagnostics

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            parameters.check_change(changes, configured=self._session is not None)
        except ParameterError as error:
            self.get_logger().warning(str(error))
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _on_diagnostics(self) -> None:
        values = {**device_values(self._device), **self._statistics.values()}
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostic_array(self.get_name(), stamp, self._health(), values))

    def _health(self) -> Health:
        if self._camera is None or self._worker is None:
            return Health(HEALTHY, "unconfigured" if self._session is None else "inactive")
        timeout = self.get_parameter("image_timeout").value
        if self._camera.silence > timeout:
            reason = self._camera.explain_silence()
            self.get_logger().warning(reason, throttle_duration_sec=_REPEAT)
            return Health(WARNING, reason)
        if self._statistics.failing:
            return Health(FAULTY, self._statistics.failing)
        if self._depth is not None and (reason := self._depth.problem(timeout)):
            self.get_logger().warning(reason, throttle_duration_sec=_REPEAT)
            return Health(WARNING, reason)
        if self._statistics.depth_problem:
            return Health(WARNING, self._statistics.depth_problem)
        if self._statistics.detections.problem:
            return Health(WARNING, self._statistics.detections.problem)
        if self._missing:
            return Health(WARNING, "; ".join(self._missing))
        return Health(HEALTHY, "paused by ~/enable" if self._worker.paused else "tracking")
