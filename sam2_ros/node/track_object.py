"""The action ~/track_object. It exists in every lifecycle state, and refuses goals where the node is not active.

The protocol rejects goals without saying why. So every goal is accepted, and one that is refused is aborted at once
with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer

from sam2_ros.action import TrackObject
from sam2_ros.node import qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.goals import End, Goal, GoalOptions, Goals, Result
from sam2_ros.node.requests import Requests, ResponseFuture
from sam2_ros.node.worker import NO_IMAGE, JobRefusedError
from sam2_ros.tracking.types import PromptError

_MAX_GOALS = 32  # at a time; half of the worker's queue, so that all can end together
_MAX_SECONDS = 1e9  # of the options
_RESULT_TIMEOUT = 60  # seconds for which a client can ask for the result


class TrackObjectServer:
    """`requests` returns the active node's requests; it raises JobRefusedError while the node is not active."""

    def __init__(self, node: Node, requests: Callable[[], Requests]) -> None:
        self.goals = Goals()
        self._node = node
        self._requests = requests
        self._by_id: dict[bytes, Goal] = {}
        profile = qos.profile("reliable", qos.REQUEST_QUEUE_SIZE)
        self._server = ActionServer(
            node,
            TrackObject,
            "~/track_object",
            execute_callback=self._execute,
            cancel_callback=self._cancel,
            callback_group=ReentrantCallbackGroup(),  # several goals wait at a time
            goal_service_qos_profile=profile,
            result_service_qos_profile=profile,
            cancel_service_qos_profile=profile,
            feedback_pub_qos_profile=qos.profile("reliable", qos.EVENT_QUEUE_SIZE),
            result_timeout=_RESULT_TIMEOUT,
        )

    def destroy(self) -> None:
        """Destroy the action's topics and services."""
        self._server.destroy()

    async def _execute(self, handle: ServerGoalHandle) -> Result:
        try:
            options, requests = _options(handle.request), self._requests()
            if len(self.goals) >= _MAX_GOALS:
                raise JobRefusedError(f"{_MAX_GOALS} goals are active already: cancel some")
        except (PromptError, JobRefusedError) as error:
            self._node.get_logger().warning(f"goal refused: {error}", throttle_duration_sec=1.0)
            handle.abort()
            return Result(ended=Result.REFUSED, reason=str(error))
        goal = Goal(options, handle.publish_feedback, ResponseFuture[End](self._node))
        if handle.is_cancel_requested:
            _finish_canceled(goal)
        timer = self._limit(goal, handle.request.time_limit)
        goal_id = bytes(handle.goal_id.uuid)
        self._by_id[goal_id] = goal
        self.goals.add(goal)
        try:
            requests.apply(goal)
            end = await goal.end.wait()
            if end.kind != Result.DEACTIVATED:  # else the object has been removed already
                await self._remove_object(goal)
        finally:
            self.goals.remove(goal)
            del self._by_id[goal_id]
            if timer is not None:
                self._node.destroy_timer(timer)
        self._node.get_logger().info(f"goal for object {goal.object_id} ended: {end.reason}")
        _set_status(handle, end)
        return goal.result(end)

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        if goal := self._by_id.get(bytes(handle.goal_id.uuid)):
            _finish_canceled(goal)
        return CancelResponse.ACCEPT

    def _limit(self, goal: Goal, seconds: float) -> Timer | None:
        """Ends the goal after that time."""
        if not seconds:
            return None

        def finish() -> None:
            goal.finish(Result.TIME_LIMIT, f"time_limit of {seconds:g} s has passed")

        return self._node.create_timer(seconds, finish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    async def _remove_object(self, goal: Goal) -> None:
        """After the prompt, which may be in process while the goal ends."""
        try:
            await self._requests().execute(goal.remove_object, NO_IMAGE)
        except JobRefusedError as error:
            if goal.wants_removal:
                self._node.get_logger().warning(f"object {goal.object_id} is not removed with its goal: {error}")


def _options(request: TrackObject.Goal) -> GoalOptions:
    """Raises PromptError for an invalid prompt or option."""
    for name in ("max_absence", "time_limit"):
        value = getattr(request, name)
        if not (math.isfinite(value) and 0 <= value <= _MAX_SECONDS):
            raise PromptError(f"{name} is {value:g}, expected 0 (never) to {_MAX_SECONDS:g} seconds")
    prompt = request.prompt
    is_adoption = prompt.object_id and not (prompt.clicks or prompt.has_box or prompt.mask.height)
    return GoalOptions(
        object_id=prompt.object_id,
        prompt=None if is_adoption else messages.prompt_request(prompt),
        max_absence=request.max_absence,
        remove_object=request.remove_object,
    )


def _finish_canceled(goal: Goal) -> None:
    goal.finish(Result.CANCELED, "canceled by the client")


def _set_status(handle: ServerGoalHandle, end: End) -> None:
    if end.kind == Result.CANCELED:
        handle.canceled()
    elif end.kind == Result.TIME_LIMIT:
        handle.succeed()
    else:
        handle.abort()
