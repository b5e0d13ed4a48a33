"""RViz' tool Publish Point: a click in 3-D becomes a click in the image.

RViz sends a point in its fixed frame, stamped with the time of the click on a clock that need not be the images'. What
was pointed at is what it showed: the newest results. So the camera is taken to be where tf2 says it was on the newest
image, or on the first later one that tf2 knows about, and the click is made on that image; the point's stamp counts for
nothing. Like depth, this takes the image to be rectified.
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
from rclpy.subscription import Subscription
from rclpy.task import Future
from std_msgs.msg import Header

from sam2_ros.depth.lifting import LiftingError, project
from sam2_ros.node import qos
from sam2_ros.node.conversions.depth import CameraInfos, intrinsics_of
from sam2_ros.node.inputs.camera_info import CameraInfoInput
from sam2_ros.node.inputs.double_click import object_id_of
from sam2_ros.node.inputs.transforms import Transforms, TransformUnavailable
from sam2_ros.node.requests import Requests
from sam2_ros.node.types import PromptRequest
from sam2_ros.node.worker import JobRefused
from sam2_ros.tracking.types import Click, Prompt, PromptError

_PERIOD = 0.05  # seconds between two attempts
_MOST = 16  # clicks that wait at a time


class NotYet(RuntimeError):
    """What a click still lacks, and what to do if that goes on."""


@dataclass(frozen=True)
class Shot:
    """An image on which a click can be made."""

    header: Header
    stamp: float  # seconds
    size: tuple[int, int]  # (H, W) pixels

    @property
    def frame(self) -> str:
        """The camera's optical frame. Raises PromptError where the image does not name it."""
        if not self.header.frame_id:
            raise PromptError("the images have no frame_id, expected the camera's optical frame: set it in the driver")
        return self.header.frame_id


class ClickedPoint:
    """Subscribed from construction to `close`.

    camera_info and /tf are listened to from the first click on only: a hundred messages of ten transforms a second
    take a tenth of a core in Python.
    """

    def __init__(self, node: Node, requests: Requests, transforms: Transforms) -> None:
        self._node = node
        self._requests = requests
        self._transforms = transforms
        self._group = ReentrantCallbackGroup()  # a click that waits holds up no other one
        profile = qos.profile("reliable", qos.PROMPTS_KEPT)
        self._points = node.create_subscription(
            PointStamped, "/clicked_point", self._on_point, profile, callback_group=self._group
        )
        self._camera_info: CameraInfoInput | None = None  # from the first click on
        self._is_closed = False
        self._clicks = 0  # that are not located yet
        self._attempts: list[Future] = []  # to locate them
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self._timer = node.create_timer(_PERIOD, self._on_timer, callback_group=self._group, clock=steady)
        self._timer.cancel()

    @property
    def _patience(self) -> float:
        """Seconds that a click waits for what it takes to locate it; the image may be one that is yet to come."""
        return self._node.get_parameter("prompt_timeout").value

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """By the topic's name before remapping."""
        return {"/clicked_point": self._points}

    def close(self) -> None:
        """Unsubscribes. Clicks that wait are rejected."""
        self._node.destroy_subscription(self._points)
        if self._camera_info is not None:
            self._camera_info.close()
        self._node.destroy_timer(self._timer)
        self._is_closed = True
        for _ in range(self._clicks):  # at once: events are published no more once the node is inactive
            self._reject(JobRefused("the node was deactivated before the click was located: click again"))
        self._let_try()

    async def _on_point(self, message: PointStamped) -> None:
        """A click that cannot be used is answered by an event."""
        self._clicks += 1
        try:
            if self._clicks > _MOST:
                raise PromptError(f"{_MOST} clicks are waiting already: click more slowly")
            self._listen()
            request = await self._located(message)
        except (PromptError, LiftingError) as error:
            self._reject(error)
        else:
            if request is not None:
                self._requests.apply_prompt(request, self._reject)
        finally:
            self._clicks -= 1

    def _reject(self, error: Exception) -> None:
        self._requests.reject(f"clicked point: {error}", Header(), object_id_of(error))

    def _listen(self) -> None:
        self._transforms.open()
        if self._camera_info is None:
            self._camera_info = CameraInfoInput(self._node)

    async def _located(self, message: PointStamped) -> PromptRequest | None:
        """The click on the oldest image since it was made that shows it; None once `close` has rejected it."""
        _check(message)
        clicked_at = time.monotonic()
        deadline = clicked_at + self._patience
        shots: deque[Shot] = deque(maxlen=self._node.get_parameter("history").value)  # no prompt reaches back further
        while not self._is_closed:
            self._add_newest(shots)
            try:
                return replace(self._seen(message, shots), clicked_at=clicked_at)
            except NotYet as error:
                if time.monotonic() > deadline:
                    raise PromptError(str(error)) from error
            await self._next_attempt()
        return None

    def _add_newest(self, shots: deque[Shot]) -> None:
        image = self._requests.newest_image
        if image is not None and (not shots or shots[-1].header is not image.header):
            shots.append(Shot(image.header, image.stamp, image.rgb.shape[:2]))

    def _seen(self, message: PointStamped, shots: Sequence[Shot]) -> PromptRequest:
        """Raises NotYet, and PromptError or LiftingError where it is of no use to wait."""
        if not shots:
            raise NotYet("no image has been processed yet: start the camera, and click again")
        assert self._camera_info is not None
        if self._camera_info.infos.is_empty:
            raise NotYet(self._camera_info.explain_silence(self._patience))
        for shot in shots:
            try:
                matrix = self._transforms.lookup(shot.frame, message.header.frame_id, shot.header.stamp)
            except TransformUnavailable as error:
                problem = str(error)
                continue
            point = matrix[:3] @ (message.point.x, message.point.y, message.point.z, 1.0)
            return PromptRequest(Prompt(clicks=(_click(point, shot, self._camera_info.infos),)), stamp=shot.stamp)
        raise NotYet(
            f"{problem}; let /tf connect the two, stamped by the clock of the images, or choose {shot.frame!r} as "
            "RViz' Fixed Frame"
        )

    def _next_attempt(self) -> Future:
        attempt: Future = Future(executor=self._node.executor)
        self._attempts.append(attempt)
        if self._timer.is_canceled():
            self._timer.reset()
        return attempt

    def _on_timer(self) -> None:
        self._timer.cancel()
        self._let_try()

    def _let_try(self) -> None:
        attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            attempt.set_result(None)


def _check(message: PointStamped) -> None:
    """Raises PromptError for a point that is nowhere."""
    point = message.point
    if not message.header.frame_id:
        raise PromptError("it has no frame_id, expected the frame that it is in, such as RViz' Fixed Frame")
    if not all(map(math.isfinite, (point.x, point.y, point.z))):
        raise PromptError(f"({point.x}, {point.y}, {point.z}) is not finite, expected metres")


def _click(point: np.ndarray, shot: Shot, infos: CameraInfos) -> Click:
    """Where an image shows a point (3,) of the camera's frame. Raises PromptError and LiftingError."""
    x, y = project(point, intrinsics_of(infos.for_size(shot.size), shot.size))
    height, width = shot.size
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        where = ", ".join(f"{value:g}" for value in np.round(point, 3))
        raise PromptError(
            f"({where}) m in {shot.frame!r} would be pixel ({x:.0f}, {y:.0f}), outside the image of {width}x{height}: "
            "click on what the camera sees"
        )
    return Click(x, y)
