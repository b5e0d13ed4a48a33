"""The tracker's services, called from the event loop; the answers come from the executor's thread."""

from __future__ import annotations

import asyncio
from typing import Any

from builtin_interfaces.msg import Time
from lifecycle_msgs.srv import GetState
from rclpy.client import Client
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sam2_ros import msg, srv
from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import mask_message
from sam2_ros.panel.types import ApplyPrompt, Command, CommandError, Enable, Outcome, RemoveObject, Reset, SelectObject

_TIMEOUT = 15.0  # seconds; the tracker itself rejects a prompt whose image does not come within its prompt_timeout
_STATE_TIMEOUT = 2.0  # seconds
_PERIOD = 0.5  # seconds between two looks whether the service still exists


class _NoAnswerError(CommandError):
    """The tracker has not answered in time."""


class Services:
    """Clients of one tracker."""

    def __init__(self, node: Node, tracker: str) -> None:
        self._tracker = node.resolve_topic_name(tracker)
        profile = qos.profile("reliable", qos.REQUEST_QUEUE_SIZE)

        def client(kind: type, name: str) -> Client:
            return node.create_client(kind, f"{tracker}/{name}", qos_profile=profile)

        self._add_object = client(srv.AddObject, "add_object")
        self._remove_object = client(srv.RemoveObject, "remove_object")
        self._select_object = client(srv.SelectObject, "select_object")
        self._reset = client(Trigger, "reset")
        self._enable = client(SetBool, "enable")
        self._get_state = client(GetState, "get_state")

    @property
    def missing(self) -> str:
        """Why there is no tracker, and what to do."""
        return f"no tracker {self._tracker} is running: start it with `ros2 launch sam2_ros track.launch.py`"

    async def execute(self, command: Command) -> Outcome:
        """Carry out a command. Raises CommandError."""
        client, request = self._request(command)
        response = await self._call(client, request, _TIMEOUT)
        if not response.success:
            raise CommandError(response.message)
        return Outcome(getattr(response, "object_id", 0), response.message)

    async def state(self) -> str:
        """The lifecycle state of the tracker: active, inactive, ... Raises CommandError."""
        try:
            response = await self._call(self._get_state, GetState.Request(), _STATE_TIMEOUT)
        except _NoAnswerError:
            raise CommandError(f"the tracker {self._tracker} does not answer: it has ended, or loads a model") from None
        return str(response.current_state.label)

    def _request(self, command: Command) -> tuple[Client, Any]:
        if isinstance(command, ApplyPrompt):
            return self._add_object, srv.AddObject.Request(prompt=_prompt_message(command))
        if isinstance(command, RemoveObject):
            return self._remove_object, srv.RemoveObject.Request(object_id=command.object_id)
        if isinstance(command, SelectObject):
            return self._select_object, srv.SelectObject.Request(object_id=command.object_id)
        if isinstance(command, Reset):
            return self._reset, Trigger.Request()
        if isinstance(command, Enable):
            return self._enable, SetBool.Request(data=command.enabled)
        raise CommandError("a camera cannot be played again")

    async def _call(self, client: Client, request: Any, timeout: float) -> Any:
        if not client.service_is_ready():
            raise CommandError(self.missing)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def on_answer(future: Any) -> None:  # on the executor's thread
            loop.call_soon_threadsafe(_resolve, answered, future)

        call = client.call_async(request)
        call.add_done_callback(on_answer)
        end = loop.time() + timeout
        try:
            while loop.time() < end:
                done, _ = await asyncio.wait([answered], timeout=_PERIOD)
                if done:
                    return answered.result()
                if not client.service_is_ready():
                    raise CommandError(f"the tracker {self._tracker} ended before it answered: send it again")
        finally:
            client.remove_pending_request(call)
        raise _NoAnswerError(
            f"the tracker {self._tracker} has not answered within {timeout:g} s: did it end, or is it busy? Look "
            "whether this was carried out, then try again"
        )


def _resolve(answered: asyncio.Future[Any], future: Any) -> None:
    if not answered.done() and not future.cancelled():
        answered.set_result(future.result())


def _prompt_message(command: ApplyPrompt) -> msg.Prompt:
    prompt = command.prompt
    header = Header(stamp=Time(sec=command.stamp.sec, nanosec=command.stamp.nanosec))
    message = msg.Prompt(header=header, object_id=command.object_id, label=prompt.label)
    message.clicks = [msg.Click(x=click.x, y=click.y, positive=click.positive) for click in prompt.clicks]
    if prompt.box is not None:
        box = prompt.box
        message.has_box = True
        message.box = msg.Box(x_min=box.x0, y_min=box.y0, x_max=box.x1, y_max=box.y1)
    if prompt.mask is not None:
        message.mask = mask_message(prompt.mask, header)
    return message
