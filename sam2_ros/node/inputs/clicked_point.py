"""RViz' tool Publish Point: a 3-D point on /clicked_point becomes a click in an image.

RViz publishes a point in its fixed frame, stamped with the time of the click on a clock that may differ from the
camera's. The user clicked on what RViz displayed, the newest results. So the point is projected into the newest image,
or the first later one for which tf2 has a transform; the point's stamp is ignored. As for depth, the image has to be
rectified.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from geometry_msgs.msg import PointStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import Header

from sam2_ros.depth.lifting import LiftingError, project
from sam2_ros.node import qos
from sam2_ros.node.conversions.depth import CameraInfos, intrinsics_of
from sam2_ros.node.inputs.camera_info import CameraInfoInput
from sam2_ros.node.inputs.double_click import object_id_of
from sam2_ros.node.inputs.receiver import Receiver
from sam2_ros.node.inputs.transforms import Transforms, TransformUnavailableError
from sam2_ros.node.requests import Requests
from sam2_ros.node.types import PromptRequest
from sam2_ros.node.worker import JobRefusedError
from sam2_ros.tracking.types import Click, Prompt, PromptError

_RETRY_PERIOD = 0.05  # seconds between two attempts to locate a click
_MAX_WAITING = 16  # clicks


class NotLocatedYetError(RuntimeError):
    """What is still missing to locate a click, and what to do if it stays missing."""


@dataclass(frozen=True)
class ClickableImage:
    """A processed image on which a click may be located."""

    header: Header
    stamp: float  # seconds
    size: tuple[int, int]  # (H, W) pixels

    @property
    def frame_id(self) -> str:
        """The camera's optical frame. Raises PromptError where the header has none."""
        frame_id: str = self.header.frame_id
        if not frame_id:
            raise PromptError("the images have no frame_id, expected the camera's optical frame: set it in the driver")
        return frame_id


class ClickedPoint:
    """Subscribed from construction to `close`.

    camera_info and /tf are subscribed at the first click only: a hundred messages of ten transforms per second take a
    tenth of a core in Python.
    """

    def __init__(self, node: Node, requests: Requests, transforms: Transforms) -> None:
        self._node = node
        self._requests = requests
        self._transforms = transforms
        self._group = ReentrantCallbackGroup()  # several clicks wait at a time
        profile = qos.profile("reliable", qos.PROMPT_QUEUE_SIZE)
        self._points = Receiver(
            node, PointStamped, "/clicked_point", self._on_point, profile, callback_group=self._group
        )
        self._camera_info: CameraInfoInput | None = None  # subscribed at the first click
        self._is_closed = False
        self._waiting = 0  # clicks that are not located yet
        self._attempts: list[Future] = []  # awaited by these clicks
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulation time may stop
        self._timer = node.create_timer(_RETRY_PERIOD, self._on_timer, callback_group=self._group, clock=steady)
        self._timer.cancel()

    @property
    def _timeout(self) -> float:
        """Seconds that a click waits to be located; its image may not be received yet."""
        timeout: float = self._node.get_parameter("prompt_timeout").value
        return timeout

    @property
    def receivers(self) -> dict[str, Receiver]:
        """By the topic's name before remapping."""
        return {"/clicked_point": self._points}

    def close(self) -> None:
        """Unsubscribe. Waiting clicks are rejected."""
        self._points.close()
        if self._camera_info is not None:
            self._camera_info.close()
        self._node.destroy_timer(self._timer)
        self._is_closed = True
        for _ in range(self._waiting):  # now, because an inactive node publishes no events
            self._reject(JobRefusedError("the node was deactivated before the click was located: click again"))
        self._retry()

    async def _on_point(self, message: PointStamped) -> None:
        """A click that cannot be located is reported by an event."""
        self._waiting += 1
        try:
            if self._waiting > _MAX_WAITING:
                raise PromptError(f"{_MAX_WAITING} clicks are waiting already: click more slowly")
            self._subscribe()
            request = await self._wait_until_located(message)
        except (PromptError, LiftingError) as error:
            self._reject(error)
        else:
            if request is not None:
                self._requests.apply_prompt(request, self._reject)
        finally:
            self._waiting -= 1

    def _reject(self, error: Exception) -> None:
        self._requests.reject(f"clicked point: {error}", Header(), object_id_of(error))

    def _subscribe(self) -> None:
        self._transforms.open()
        if self._camera_info is None:
            self._camera_info = CameraInfoInput(self._node)

    async def _wait_until_located(self, message: PointStamped) -> PromptRequest | None:
        """The click on the oldest image since then in which it is located; None once `close` has rejected it."""
        _check(message)
        clicked_at = time.monotonic()
        deadline = clicked_at + self._timeout
        images: deque[ClickableImage] = deque(maxlen=self._node.get_parameter("history").value)
        while not self._is_closed:
            self._add_newest(images)
            try:
                return replace(self._locate(message, images), clicked_at=clicked_at)
            except NotLocatedYetError as error:
                if time.monotonic() > deadline:
                    raise PromptError(str(error)) from error
            await self._next_attempt()
        return None

    def _add_newest(self, images: deque[ClickableImage]) -> None:
        image = self._requests.newest_image
        if image is not None and (not images or images[-1].header is not image.header):
            images.append(ClickableImage(image.header, image.stamp, image.rgb.shape[:2]))

    def _locate(self, message: PointStamped, images: Sequence[ClickableImage]) -> PromptRequest:
        """Raises NotLocatedYetError, and PromptError or LiftingError where waiting is useless."""
        if not images:
            raise NotLocatedYetError("no image has been processed yet: start the camera, and click again")
        assert self._camera_info is not None
        if self._camera_info.infos.is_empty:
            raise NotLocatedYetError(self._camera_info.explain_silence(self._timeout))
        for image in images:
            try:
                matrix = self._transforms.lookup(image.frame_id, message.header.frame_id, image.header.stamp)
            except TransformUnavailableError as error:
                reason = str(error)
                continue
            point = matrix[:3] @ (message.point.x, message.point.y, message.point.z, 1.0)
            return PromptRequest(Prompt(clicks=(_click(point, image, self._camera_info.infos),)), stamp=image.stamp)
        raise NotLocatedYetError(
            f"{reason}; publish that transform on /tf, stamped by the clock of the images, or choose "
            f"{image.frame_id!r} as RViz' Fixed Frame"
        )

    def _next_attempt(self) -> Future:
        attempt: Future = Future(executor=self._node.executor)
        self._attempts.append(attempt)
        if self._timer.is_canceled():
            self._timer.reset()
        return attempt

    def _on_timer(self) -> None:
        self._timer.cancel()
        self._retry()

    def _retry(self) -> None:
        attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            attempt.set_result(None)


def _check(message: PointStamped) -> None:
    """Raises PromptError for a point without a position."""
    point = message.point
    if not message.header.frame_id:
        raise PromptError("it has no frame_id, expected the frame of its coordinates, such as RViz' Fixed Frame")
    if not all(map(math.isfinite, (point.x, point.y, point.z))):
        raise PromptError(f"({point.x}, {point.y}, {point.z}) is not finite, expected metres")


def _click(point: np.ndarray, image: ClickableImage, infos: CameraInfos) -> Click:
    """The projection of a point (3,) in the camera's frame into an image. Raises PromptError and LiftingError."""
    x, y = project(point, intrinsics_of(infos.for_size(image.size), image.size))
    height, width = image.size
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        coordinates = ", ".join(f"{value:g}" for value in np.round(point, 3))
        raise PromptError(
            f"({coordinates}) m in {image.frame_id!r} would be pixel ({x:.0f}, {y:.0f}), outside the image of "
            f"{width}x{height}: click on what the camera sees"
        )
    return Click(x, y)
