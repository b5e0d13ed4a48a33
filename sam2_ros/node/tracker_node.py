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
import traceback
from collections.abc import Callable

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from sam2_ros.model import CheckpointError
from sam2_ros.node import features, parameters
from sam2_ros.node.active import Active
from sam2_ros.node.diagnostics import HEALTHY, WARNING, Health, device_values, diagnostic_array
from sam2_ros.node.inputs.sim_clock import SimClock
from sam2_ros.node.inputs.transforms import Transforms
from sam2_ros.node.loading import build_tracker
from sam2_ros.node.log import REPEAT
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.outputs.outputs import Outputs
from sam2_ros.node.parameters.values import ParameterError, without_locations
from sam2_ros.node.requests import Requests
from sam2_ros.node.services import Services
from sam2_ros.node.session import Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.worker import JobRefused
from sam2_ros.tracking.types import Event

Transition = Callable[["TrackerNode", LifecycleState], TransitionCallbackReturn]


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
        try:
            super().__init__("sam2_tracker")
        except ParameterException as error:  # of use_sim_time, which rclpy declares itself
            raise ParameterError(f"{error}; expected true or false") from error
        self._statistics = Statistics()
        self._session: Session | None = None  # while configured
        self._outputs: Outputs | None = None  # while configured
        self._device: torch.device | None = None  # while configured
        self._missing: list[str] = []  # features that were asked for and cannot be had
        self._active: Active | None = None  # while active
        self._is_finalized = False
        self._transforms = Transforms(self)
        values = parameters.declare(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        Services(self, self._active_requests)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._sim_clock = SimClock(self)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still, which is to be reported
        self._diagnostics_timer = self.create_timer(values.diagnostics_period, self._on_diagnostics, clock=steady)

    # Lifecycle

    @_logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model; on failure the node stays unconfigured, and can be configured again."""
        values = parameters.read(self)
        self._diagnostics_timer.timer_period_ns = int(values.diagnostics_period * 1e9)
        try:
            tracker = build_tracker(values, self.get_logger().info)
        except (ParameterError, CheckpointError, ValueError, torch.cuda.OutOfMemoryError) as error:
            self._statistics.last_error = f"cannot configure: {error}"
            self.get_logger().error(self._statistics.last_error)
            return TransitionCallbackReturn.FAILURE
        self._statistics = Statistics()
        logger = self.get_logger()
        lifter = Lifter(values.target_frame, self._transforms, self._statistics, logger) if values.depth else None
        self._outputs = Outputs(self, values, lifter)
        self._session = Session(tracker, self._outputs, self._statistics, self.get_logger(), values.image_bit_depth)
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
        try:
            self._active = Active(
                self, parameters.read(self), self._session, self._statistics, self._transforms, self._publish_event
            )
        except RuntimeError as error:  # rclpy's
            reason = f"cannot activate: {without_locations(error)}: are two inputs remapped to one topic?"
            self._statistics.last_error = reason
            self.get_logger().error(reason)
            return TransitionCallbackReturn.FAILURE
        return super().on_activate(state)

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

    @_logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops and frees, from any state."""
        self._is_finalized = True
        self.stop()
        self._free()
        return TransitionCallbackReturn.SUCCESS

    @_logged
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that raised: back to unconfigured, from where it can be tried again."""
        self.stop()
        self._free()
        return TransitionCallbackReturn.SUCCESS

    def stop(self, timeout: float | None = None) -> None:
        """Unsubscribes and waits for the worker; to be called before the node is destroyed.

        `timeout` (seconds) is for a process that ends: it does not wait longer for the frame in hand.
        """
        if self._active is not None:
            active, self._active = self._active, None
            active.close(timeout)

    def _free(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
        self._session = self._outputs = self._device = None
        gc.collect()  # models hold cycles
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    # Requests

    def _publish_event(self, event: Event, frame_id: str, label: str) -> None:
        if self._outputs is not None:  # a request may be refused because the node is being cleaned up
            self._outputs.publish_event(event, frame_id, label)

    def _active_requests(self) -> Requests:
        if self._active is None:
            raise JobRefused(self._why_inactive())
        return self._active.requests

    def _why_inactive(self) -> str:
        if self._is_finalized:
            return "the node is finalized: start its process again"
        command = f"`ros2 lifecycle set {self.get_fully_qualified_name()}"
        if self._session is None:
            return f"the node is unconfigured: {command} configure`, then `activate`"
        return f"the node is inactive: {command} activate`"

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
        health = self._tracking_health()
        problem = self._sim_clock.problem(self.get_parameter("image_timeout").value)
        if not problem:
            return health
        self.get_logger().warning(problem, throttle_duration_sec=REPEAT)
        if health.level == HEALTHY:
            return Health(WARNING, problem)
        return Health(health.level, f"{problem}; {health.message}")

    def _tracking_health(self) -> Health:
        if self._active is None:
            return Health(HEALTHY, "unconfigured" if self._session is None else "inactive")
        health = self._active.health()
        if self._missing and health.level == HEALTHY:
            return Health(WARNING, "; ".join(self._missing))
        return health
