"""The topics on which people and programs say what to follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import Point, PointStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from std_msgs.msg import Header

from sam2_ros.msg import Prompt
from sam2_ros.node import messages, qos
from sam2_ros.node.double_click import RepeatedClick
from sam2_ros.node.requests import Requests
from sam2_ros.node.session import PromptRequest
from sam2_ros.node.worker import JobRefused
from sam2_ros.tracking.types import PromptError


class PromptTopics:
    """Subscribed from construction to `close`."""

    def __init__(self, node: Node, requests: Requests) -> None:
        self._node = node
        self._requests = requests
        group = ReentrantCallbackGroup()  # a prompt that waits for its image holds up no other one
        kept = qos.profile("reliable", qos.PROMPTS_KEPT)
        # rqt_image_view appends to the name of the image that it shows, whatever that was remapped to.
        shown = [node.resolve_topic_name(name) for name in ("image", "~/overlay")]
        self._subscriptions = [
            node.create_subscription(kind, topic, callback, kept, callback_group=group)
            for kind, topic, callback in (
                (Prompt, "~/prompt", self._on_prompt),
                (PointStamped, "~/click", self._on_click),
                (Point, "~/click_point", self._on_click_point),
                *((Point, f"{name}_mouse_left", self._on_click_point) for name in shown),
            )
        ]

    def close(self) -> None:
        """Unsubscribes."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    async def _on_prompt(self, message: Prompt) -> None:
        await self._place(messages.prompt_request, message)

    async def _on_click(self, message: PointStamped) -> None:
        await self._place(messages.click_request, message)

    async def _on_click_point(self, message: Point) -> None:
        """Without a stamp, as rqt_image_view sends it."""
        await self._place(messages.point_request, message)

    async def _place(self, read: Callable[[Any], PromptRequest], message: Any) -> None:
        """A prompt that cannot be used is answered by an event."""
        header = getattr(message, "header", Header())
        try:
            await self._requests.place(read(message))
        except RepeatedClick as error:
            self._requests.reject(str(error), header, error.object_id)
        except (PromptError, JobRefused) as error:
            object_id, label = getattr(message, "object_id", 0), getattr(message, "label", "")
            self._requests.reject(str(error), header, object_id, label)
