"""The lifecycle node `sam2_tracker`: its transitions, parameters and diagnostics.

The executor's thread only receives and responds; whatever runs the model runs on the worker's thread.

    configure    loads the model and preallocates its memory
    activate     subscribes and starts the worker
    deactivate   unsubscribes and stops the worker; the tracked objects are kept
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
from sam2_ros.node import features, parameters, qos
from sam2_ros.node.active_state import ActiveState
from sam2_ros.node.bond import Bond, heartbeat
from sam2_ros.node.diagnostics import OK, WARN, Component, Status, device_values, diagnostic_array
from sam2_ros.node.discovery_parameters import DiscoveryParameters, check_discovery
from sam2_ros.node.inputs.sim_time import SimTimeMonitor
from sam2_ros.node.inputs.transforms import Transforms
from sam2_ros.node.loading import build_tracker
from sam2_ros.node.log import THROTTLE_PERIOD
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.outputs.publishers import Publishers
from sam2_ros.node.parameters import qos_overrides
from sam2_ros.node.parameters.values import ParameterError, without_locations
from sam2_ros.node.requests import Requests
from sam2_ros.node.services import Services
from sam2_ros.node.session import Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.track_object import TrackObjectServer
from sam2_ros.node.worker import JobRefusedError
from sam2_ros.tracking.types import Event

TransitionCallback = Callable[["TrackerNode", LifecycleState], TransitionCallbackReturn]

_FIXED = (  # parameters of the model
    "while the node is configured: `deactivate` and `cleanup` the node (`ros2 lifecycle set NODE ...`), set it, then "
    "`configure` and `activate`"
)


def _log_exceptions(callback: TransitionCallback) -> TransitionCallback:
    """Logs exceptions of a transition, which rclpy hides."""

    @functools.wraps(callback)
    def wrapper(node: TrackerNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except Exception:
            node.get_logger().error(f"{callback.__name__} failed: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return wrapper


class TrackerNode(LifecycleNode):
    """Raises ParameterError for an invalid parameter override."""

    def __init__(self) -> None:
        try:
            super().__init__("sam2_tracker")
        except ParameterException as error:  # about use_sim_time, which rclpy declares itself
            raise ParameterError(f"{error}; expected true or false") from error
        self._statistics = Statistics()
        self._session: Session | None = None  # while configured
        self._result_publishers: Publishers | None = None  # while configured
        self._device: torch.device | None = None  # while configured
        self._missing: list[str] = []  # messages about features that are enabled, but unavailable
        self._active: ActiveState | None = None  # while active
        self._bond: Bond | None = None  # while active, where bondpy is installed
        self._is_finalized = False
        self._transforms = Transforms(self)
        self._track_object = TrackObjectServer(self, self._active_requests)  # rclpy destroys the node after any error
        values = parameters.declare(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        Services(self, self._active_requests)
        self._diagnostics = self.create_publisher(
            DiagnosticArray, "/diagnostics", **qos.overridable(qos.profile("reliable", 1))
        )
        self._sim_time = SimTimeMonitor(self)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulation time may stop, and this timer reports it
        self._diagnostics_timer = self.create_timer(values.diagnostics_period, self._on_diagnostics, clock=steady)

    # ---- lifecycle transitions

    @_log_exceptions
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; on failure the node stays unconfigured, and can be configured again."""
        values = parameters.read(self)
        self._diagnostics_timer.timer_period_ns = int(values.diagnostics_period * 1e9)
        try:
            check_discovery(self)
            tracker = build_tracker(values, self.get_logger().info)
        except (ParameterError, CheckpointError, ValueError, torch.cuda.OutOfMemoryError) as error:
            self._statistics.last_error = f"cannot configure: {error}"
            self.get_logger().error(self._statistics.last_error)
            return TransitionCallbackReturn.FAILURE
        self._statistics = Statistics()
        logger = self.get_logger()
        lifter = Lifter(values.target_frame, self._transforms, self._statistics, logger) if values.depth else None
        self._result_publishers = Publishers(self, values, lifter, self._track_object.goals)
        self._session = Session(
            tracker,
            self._result_publishers,
            self._statistics,
            self.get_logger(),
            values.image_bit_depth,
            DiscoveryParameters(self),
        )
        for text in features.missing(values, by_default=True):
            self.get_logger().info(text)
        self._missing = features.missing(values)
        for text in self._missing:
            self.get_logger().warning(text)
        self._device = tracker.model.device
        self.get_logger().info(f"configured: {values.model} on {self._device}")
        return super().on_configure(state)

    @_log_exceptions
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        assert self._session is not None and self._result_publishers is not None
        publishers = self._result_publishers
        try:
            self._active = ActiveState(
                self,
                parameters.read(self),
                self._session,
                self._statistics,
                self._transforms,
                self._publish_event,
                needs_camera_info=lambda: publishers.needs_camera_info,
            )
        except RuntimeError as error:  # rclpy's
            reason = f"cannot activate: {without_locations(error)}; are two inputs remapped to one topic?"
            self._statistics.last_error = reason
            self.get_logger().error(reason)
            return TransitionCallbackReturn.FAILURE
        self._bond = heartbeat(self, self.get_parameter("bond_heartbeat_period").value)
        if names := qos_overrides.unused(self):
            self.get_logger().warning(f"QoS overrides of topics that this node does not have: {', '.join(names)}")
        return super().on_activate(state)

    @_log_exceptions
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the worker; the tracked objects are kept."""
        self.stop()
        return super().on_deactivate(state)

    @_log_exceptions
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and its memory."""
        self._free()
        return TransitionCallbackReturn.SUCCESS

    @_log_exceptions
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from any state."""
        self._is_finalized = True
        self.stop()
        self._free()
        return TransitionCallbackReturn.SUCCESS

    @_log_exceptions
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that raised: return to unconfigured, from where the node can be configured again."""
        self.stop()
        self._free()
        return TransitionCallbackReturn.SUCCESS

    def stop(self, timeout: float | None = None) -> None:
        """Unsubscribe and wait for the worker; to be called before the node is destroyed.

        A process that exits waits for `timeout` seconds at most (None: until the image in process is done).
        """
        if self._bond is not None:
            self._bond.close()
            self._bond = None
        if self._active is not None:
            active, self._active = self._active, None
            active.close(timeout)
            may_run_on = timeout is not None  # the worker
            self._track_object.goals.deactivate(None if may_run_on else self._session)

    def destroy_node(self) -> None:
        """Destroy the node; `stop` has to be called before."""
        self._track_object.destroy()
        super().destroy_node()

    def _free(self) -> None:
        if self._result_publishers is not None:
            self._result_publishers.destroy()
        self._session = self._result_publishers = self._device = None
        gc.collect()  # models contain reference cycles
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    # ---- requests

    def _publish_event(self, event: Event, frame_id: str, label: str) -> None:
        if self._result_publishers is not None:  # else the node is being cleaned up
            self._result_publishers.publish_event(event, frame_id, label)

    def _active_requests(self) -> Requests:
        if self._active is None:
            raise JobRefusedError(self._inactive_reason())
        return self._active.requests

    def _inactive_reason(self) -> str:
        if self._is_finalized:
            return "the node is finalized: restart its process"
        command = f"ros2 lifecycle set {self.get_fully_qualified_name()}"
        if self._session is None:
            return f"configure and activate the node first: `{command} configure`, `{command} activate`"
        return f"activate the node first: `{command} activate`"

    # ---- parameters and diagnostics

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            parameters.check_changes(changes, _FIXED if self._session is not None else "")
            if any(change.name.startswith("discover_") for change in changes):
                check_discovery(self, changes)
        except ParameterError as error:
            self.get_logger().warning(str(error))
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _on_diagnostics(self) -> None:
        goals = {"goals of ~/track_object": str(len(self._track_object.goals))}
        values = {**device_values(self._device), **self._statistics.values(), **goals}
        tracking = Component("tracking", self._status(), values["device"], values)
        inputs = self._active.input_components() if self._active else []
        self._diagnostics.publish(diagnostic_array(self, [tracking, *inputs]))

    def _status(self) -> Status:
        status = self._tracking_status()
        warning = self._sim_time.warning(self.get_parameter("image_timeout").value)
        if not warning:
            return status
        self.get_logger().warning(warning, throttle_duration_sec=THROTTLE_PERIOD)
        if status.level == OK:
            return Status(WARN, warning)
        return Status(status.level, f"{warning}; {status.message}")

    def _tracking_status(self) -> Status:
        if self._active is None:
            return Status(OK, "unconfigured" if self._session is None else "inactive")
        status = self._active.status()
        if self._missing and status.level == OK:
            return Status(WARN, "; ".join(self._missing))
        return status
