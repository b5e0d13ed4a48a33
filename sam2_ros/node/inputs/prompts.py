"""The subscriptions to clicks and prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import Point, PointStamped
from rclpy.node import Node
from std_msgs.msg import Header

from sam2_ros.msg import Prompt
from sam2_ros.node import qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.inputs.double_click import object_id_of
from sam2_ros.node.inputs.receiver import Receiver
from sam2_ros.node.requests import Requests
from sam2_ros.node.types import PromptRequest
from sam2_ros.tracking.types import PromptError


class PromptTopics:
    """Subscribed from construction to `close`."""

    def __init__(self, node: Node, requests: Requests) -> None:
        self._requests = requests
        profile = qos.profile("reliable", qos.PROMPT_QUEUE_SIZE)
        # rqt_image_view appends _mouse_left to the remapped name of the image that it displays.
        displayed = [node.resolve_topic_name(name).removesuffix("/compressed") for name in ("image", "~/overlay")]
        self.receivers: dict[str, Receiver] = {  # by the topic's name before remapping
            topic: Receiver(node, message_type, topic, callback, profile)
            for message_type, topic, callback in (
                (Prompt, "~/prompt", self._on_prompt),
                (PointStamped, "~/click", self._on_click),
                (Point, "~/click_point", self._on_click_point),
                *((Point, f"{name}_mouse_left", self._on_click_point) for name in displayed),
            )
        }

    def close(self) -> None:
        """Unsubscribe."""
        for receiver in self.receivers.values():
            receiver.close()

    def _on_prompt(self, message: Prompt) -> None:
        self._apply(messages.prompt_request, message)

    def _on_click(self, message: PointStamped) -> None:
        self._apply(messages.click_request, message)

    def _on_click_point(self, message: Point) -> None:
        """Without a stamp, as rqt_image_view publishes it."""
        self._apply(messages.point_request, message)

    def _apply(self, read: Callable[[Any], PromptRequest], message: Any) -> None:
        """A prompt that is not applied is reported by an event."""

        def reject(error: Exception) -> None:
            header = getattr(message, "header", Header())
            object_id, label = getattr(message, "object_id", object_id_of(error)), getattr(message, "label", "")
            self._requests.reject(str(error), header, object_id, label)

        try:
            request = read(message)
        except PromptError as error:
            reject(error)
        else:
            self._requests.apply_prompt(request, reject)
