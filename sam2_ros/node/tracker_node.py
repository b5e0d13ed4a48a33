"""The lifecycle node `sam2_tracker`: topics, services and parameters around the session.

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
from typing import Any, TypeVar

import torch
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Point, PointStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from rclpy.task import Future
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sam2_ros.model import CheckpointError
from sam2_ros.msg import Prompt
from sam2_ros.node import messages, parameters, qos
from sam2_ros.node.camera import Camera
from sam2_ros.node.diagnostics import FAULTY, HEALTHY, WARNING, Health, device_values, diagnostic_array
from sam2_ros.node.loading import build_tracker
from sam2_ros.node.outputs import Outputs
from sam2_ros.node.parameters import ParameterError
from sam2_ros.node.session import PromptRequest, Session, View
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.worker import ANY_FRAME, AT_ONCE, Frame, Job, JobRefused, Worker
from sam2_ros.srv import AddObject, RemoveObject, SelectObject
from sam2_ros.tracking.types import Event, EventKind, PromptError, Track

Answer = TypeVar("Answer")
Transition = Callable[["TrackerNode", LifecycleState], TransitionCallbackReturn]

_INACTIVE = "the node is not active: bring it to active (`ros2 lifecycle set NODE configure`, then `activate`)"
_REPEAT = 5.0  # seconds between two log lines of the same kind


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
        self._worker: Worker | None = None  # while active
        self._camera: Camera | None = None  # while active
        self._prompts: list[Subscription] = []  # while active
        values = parameters.declare(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        # Requests wait for the worker without keeping images or one another waiting.
        self._requests = ReentrantCallbackGroup()
        for kind, name, callback in (
            (AddObject, "~/add_object", self._on_add_object),
            (RemoveObject, "~/remove_object", self._on_remove_object),
            (SelectObject, "~/select_object", self._on_select_object),
            (Trigger, "~/reset", self._on_reset),
            (SetBool, "~/enable", self._on_enable),
        ):
            self.create_service(kind, name, callback, callback_group=self._requests)
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
        self._outputs = Outputs(self, values)
        self._session = Session(tracker, self._outputs, self._statistics, self.get_logger())
        self._device = tracker.model.device
        self.get_logger().info(f"{values.model} is ready on {self._device}")
        return super().on_configure(state)

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts to follow."""
        assert self._session is not None
        result = super().on_activate(state)
        self._worker = Worker(self._session, self._statistics)
        self._camera = Camera(self, parameters.read(self), self._on_image)
        kept = qos.profile("reliable", qos.PROMPTS_KEPT)
        self._prompts = [
            self.create_subscription(kind, topic, callback, kept, callback_group=self._requests)
            for kind, topic, callback in (
                (Prompt, "~/prompt", self._on_prompt),
                (PointStamped, "~/click", self._on_click),
                (Point, "~/click_point", self._on_click_point),
            )
        ]
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
        for subscription in self._prompts:
            self.destroy_subscription(subscription)
        self._prompts = []
        if self._camera is not None:
            self._camera.close()
            self._camera = None
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

    # Images and prompts

    def _on_image(self, message: Any) -> None:
        received = time.perf_counter()
        self._statistics.received += 1
        if self._worker is not None:
            self._worker.offer(Frame(messages.seconds(message.header.stamp), message, received))

    async def _on_prompt(self, message: Prompt) -> None:
        await self._take_prompt(messages.prompt_request, message)

    async def _on_click(self, message: PointStamped) -> None:
        await self._take_prompt(messages.click_request, message)

    async def _on_click_point(self, message: Point) -> None:
        """rqt_image_view's clicks, once `~/click_point` is remapped to its `<image>_mouse_left`."""
        await self._take_prompt(messages.point_request, message)

    async def _take_prompt(self, read: Callable[[Any], PromptRequest], message: Any) -> None:
        """A prompt that cannot be used is answered by an event."""
        try:
            request = read(message)
            await self._place(request)
        except (PromptError, JobRefused) as error:
            self._reject(message, str(error))

    def _reject(self, message: Any, reason: str) -> None:
        self.get_logger().warning(f"prompt rejected: {reason}", throttle_duration_sec=1.0)
        if self._outputs is None:
            return
        header = getattr(message, "header", Header())
        if not messages.seconds(header.stamp) and self._session is not None and self._session.view is not None:
            header = self._session.view.header
        event = Event(
            EventKind.PROMPT_REJECTED,
            getattr(message, "object_id", 0),
            messages.seconds(header.stamp),
            reason=reason,
        )
        self._outputs.publish_event(event, header.frame_id, getattr(message, "label", ""))

    # Services

    async def _on_add_object(self, request: AddObject.Request, response: AddObject.Response) -> AddObject.Response:
        try:
            view, track = await self._place(messages.prompt_request(request.prompt))
        except (PromptError, JobRefused) as error:
            return self._refuse(response, error)
        response.success = True
        response.object_id = track.id
        response.mask = messages.mask_message(track.mask, view.header)
        return response

    async def _on_remove_object(
        self, request: RemoveObject.Request, response: RemoveObject.Response
    ) -> RemoveObject.Response:
        return await self._respond(response, lambda session: session.remove(request.object_id))

    async def _on_select_object(
        self, request: SelectObject.Request, response: SelectObject.Response
    ) -> SelectObject.Response:
        return await self._respond(response, lambda session: session.select(request.object_id))

    async def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return await self._respond(response, lambda session: session.reset("~/reset was called"))

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._worker is None:
            return self._refuse(response, JobRefused(_INACTIVE))
        self._worker.paused = not request.data
        response.success = True
        return response

    async def _respond(self, response: Any, act: Callable[[Session], None]) -> Any:
        try:
            await self._perform(act, AT_ONCE)
        except (PromptError, JobRefused) as error:
            return self._refuse(response, error)
        response.success = True
        return response

    def _refuse(self, response: Any, error: Exception) -> Any:
        self.get_logger().warning(f"request refused: {error}", throttle_duration_sec=1.0)
        response.success = False
        response.message = str(error)
        return response

    # The way to the worker and back

    async def _place(self, request: PromptRequest) -> tuple[View, Track]:
        frame = ANY_FRAME if request.stamp is None else request.stamp
        return await self._perform(lambda session: session.place(request), frame)

    async def _perform(self, act: Callable[[Session], Answer], frame: float | None) -> Answer:
        """What `act` answers on the worker's thread. Raises PromptError and JobRefused."""
        session, worker, executor = self._session, self._worker, self.executor
        if session is None or worker is None:
            raise JobRefused(_INACTIVE)
        answer: Future = Future(executor=executor)

        def run() -> None:
            try:
                answer.set_result(act(session))
            except PromptError as error:
                answer.set_exception(error)
            except Exception as error:
                answer.set_exception(JobRefused(f"{type(error).__name__}: {error}"))
                raise
            finally:
                executor.wake()

        def refuse(reason: JobRefused) -> None:
            answer.set_exception(reason)
            executor.wake()

        patience = self.get_parameter("prompt_timeout").value
        worker.submit(Job(run, refuse, frame, time.monotonic() + patience))
        return await answer

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
        if self._camera.silence > self.get_parameter("image_timeout").value:
            reason = self._camera.explain_silence()
            self.get_logger().warning(reason, throttle_duration_sec=_REPEAT)
            return Health(WARNING, reason)
        if self._statistics.failing:
            return Health(FAULTY, self._statistics.failing)
        return Health(HEALTHY, "paused by ~/enable" if self._worker.paused else "tracking")
