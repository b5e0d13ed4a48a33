"""The node's services. They exist in every lifecycle state, and fail with a message where the node is not active."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from sam2_ros.node import qos
from sam2_ros.node.conversions import messages, segments
from sam2_ros.node.requests import Requests
from sam2_ros.node.session import Session
from sam2_ros.node.worker import NO_IMAGE, JobRefusedError
from sam2_ros.srv import AddObject, RemoveObject, Segment, SelectObject
from sam2_ros.tracking.mask_prompts import cover_warning
from sam2_ros.tracking.types import PromptError


class Services:
    """`requests` returns the active node's requests; it raises JobRefusedError while the node is not active."""

    def __init__(self, node: Node, requests: Callable[[], Requests]) -> None:
        self._node = node
        self._requests = requests
        profile = qos.profile("reliable", qos.REQUEST_QUEUE_SIZE)
        group = ReentrantCallbackGroup()  # several calls wait for the worker at a time
        for service_type, name, callback in (
            (AddObject, "~/add_object", self._on_add_object),
            (RemoveObject, "~/remove_object", self._on_remove_object),
            (SelectObject, "~/select_object", self._on_select_object),
            (Segment, "~/segment", self._on_segment),
            (Trigger, "~/reset", self._on_reset),
            (SetBool, "~/enable", self._on_enable),
        ):
            node.create_service(service_type, name, callback, qos_profile=profile, callback_group=group)

    async def _on_add_object(self, request: AddObject.Request, response: AddObject.Response) -> AddObject.Response:
        try:
            prompt_request = messages.prompt_request(request.prompt)
            outcome = await self._requests().apply_prompt_and_wait(prompt_request)
        except (PromptError, JobRefusedError) as error:
            return self._refuse(response, error)
        response.success = True
        response.message = cover_warning(prompt_request.prompt.mask)
        response.object_id = outcome.object_id
        if outcome.mask is not None:
            response.mask = outcome.mask
        return response

    async def _on_remove_object(
        self, request: RemoveObject.Request, response: RemoveObject.Response
    ) -> RemoveObject.Response:
        return await self._execute(response, lambda session: session.remove(request.object_id))

    async def _on_select_object(
        self, request: SelectObject.Request, response: SelectObject.Response
    ) -> SelectObject.Response:
        return await self._execute(response, lambda session: session.select(request.object_id))

    async def _on_segment(self, request: Segment.Request, response: Segment.Response) -> Segment.Response:
        try:
            answer = await self._requests().segment(segments.segment_request(request))
        except (PromptError, JobRefusedError) as error:
            return self._refuse(response, error)
        response.success = True
        response.message = answer.warning
        response.header = answer.header
        response.image_height, response.image_width = answer.size
        response.masks = answer.masks
        return response

    async def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return await self._execute(response, lambda session: session.reset("~/reset was called"))

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        try:
            self._requests().pause(not request.data)
        except JobRefusedError as error:
            return self._refuse(response, error)
        response.success = True
        return response

    async def _execute(self, response: Any, action: Callable[[Session], None]) -> Any:
        try:
            await self._requests().execute(action, NO_IMAGE)
        except (PromptError, JobRefusedError) as error:
            return self._refuse(response, error)
        response.success = True
        return response

    def _refuse(self, response: Any, error: Exception) -> Any:
        self._node.get_logger().warning(f"request refused: {error}", throttle_duration_sec=1.0)
        response.success = False
        response.message = str(error)
        return response
