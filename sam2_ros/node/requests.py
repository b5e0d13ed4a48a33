"""From the executor's thread to the worker and back: requests run between two images and get a response."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.node.background import Task
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.messages import StampRangeError
from sam2_ros.node.conversions.segments import SegmentAnswer, segment_answer
from sam2_ros.node.session import Session
from sam2_ros.node.types import ProcessedImage, PromptRequest, SegmentRequest
from sam2_ros.node.worker import ANY_IMAGE, DeferredResponse, Job, JobRefusedError, Worker
from sam2_ros.tracking.types import Event, EventKind, PromptError

Result = TypeVar("Result")
Reject = Callable[[Exception], None]
PublishEvent = Callable[[Event, str, str], None]  # the event, its frame_id and the object's label


@dataclass(frozen=True)
class PromptOutcome:
    """The object of a prompt and its mask, with the header of the image that the mask belongs to."""

    object_id: int
    mask: Image | None = None  # None: the node was deactivated before there was one


class ObjectRequest(Protocol):
    """A request for an object that outlives its prompt. Called on the worker's thread; `reject` on any."""

    image_stamp: float  # of the image that it waits for, seconds

    def apply(self, session: Session) -> int:
        """Start, correct or adopt the object; its id, 0: none is wanted any more. Raises PromptError."""

    def catch_up(self) -> None:
        """The object has been propagated to the newest image, whose results are published next."""

    def reject(self, error: Exception) -> None:
        """The prompt was not applied, or dropped before its object had caught up."""


class Requests:
    """Sends the requests of one active node to its worker."""

    def __init__(self, node: Node, session: Session, worker: Worker, publish_event: PublishEvent) -> None:
        self._node = node
        self._session = session
        self._worker = worker
        self._publish_event = publish_event

    @property
    def newest_image(self) -> ProcessedImage | None:
        """The newest processed image."""
        return self._session.newest_image

    def apply_prompt(self, request: PromptRequest, reject: Reject) -> None:
        """Start or refine an object once the prompt's image is processed.

        Where the prompt is not applied, `reject` is called with the reason, on any thread.
        """

        def run() -> None:
            with _pass_errors_to(reject):
                self._session.apply_prompt(request)

        try:
            self._worker.submit(Job(run, reject, image_stamp(request), self._deadline()))
        except JobRefusedError as error:
            reject(error)

    async def apply_prompt_and_wait(self, request: PromptRequest) -> PromptOutcome:
        """Start or refine an object once the prompt's image is processed, and wait until it has caught up.

        Raises PromptError and JobRefusedError where the prompt is not applied, or the object was dropped meanwhile.
        """
        response = ResponseFuture[PromptOutcome](self._node)

        def run() -> DeferredResponse | None:
            with _pass_errors_to(response.set_exception):
                track_id = self._session.apply_prompt(request)
                return DeferredResponse(lambda: self._session.is_caught_up(track_id), lambda: send(track_id))
            return None

        def send(track_id: int) -> None:
            with _pass_errors_to(response.set_exception):
                response.set_result(self._outcome(track_id, request))

        self._worker.submit(Job(run, response.set_exception, image_stamp(request), self._deadline()))
        return await response.wait()

    def apply(self, request: ObjectRequest) -> None:
        """Apply a request once its image is processed."""

        def run() -> DeferredResponse | None:
            with _pass_errors_to(request.reject):
                if track_id := request.apply(self._session):
                    return DeferredResponse(lambda: self._session.is_caught_up(track_id), lambda: catch_up(track_id))
            return None

        def catch_up(track_id: int) -> None:
            with _pass_errors_to(request.reject):
                self._session.prompted_track(track_id, stamp=None)
                request.catch_up()

        try:
            self._worker.submit(Job(run, request.reject, request.image_stamp, self._deadline()))
        except JobRefusedError as error:
            request.reject(error)

    async def segment(self, request: SegmentRequest) -> SegmentAnswer:
        """Find masks on the request's image once it is processed, between the images that follow.

        Raises PromptError and JobRefusedError.
        """
        response = ResponseFuture[SegmentAnswer](self._node)

        def run() -> DeferredResponse | None:
            with _pass_errors_to(response.set_exception):
                task = self._session.segment(request, segment_answer)
                return DeferredResponse(lambda: task.is_done, lambda: send(task))
            return None

        def send(task: Task[SegmentAnswer]) -> None:
            self._session.cancel(task, "the node was deactivated before the masks were found: ask again")
            with _pass_errors_to(response.set_exception):
                response.set_result(task.result())

        self._worker.submit(Job(run, response.set_exception, image_stamp(request), self._deadline()))
        return await response.wait()

    async def execute(
        self, action: Callable[[Session], Result], image_stamp: float | None, keeps_image: bool = True
    ) -> Result:
        """Call `action` on the worker's thread, once the image of that stamp or a newer one is processed.

        Raises PromptError and JobRefusedError.
        """
        response = ResponseFuture[Result](self._node)

        def run() -> None:
            with _pass_errors_to(response.set_exception):
                response.set_result(action(self._session))

        self._worker.submit(Job(run, response.set_exception, image_stamp, self._deadline(), keeps_image))
        return await response.wait()

    def pause(self, paused: bool) -> None:
        """While paused, images are dropped; requests are still executed."""
        self._worker.paused = paused

    def reject(self, reason: str, header: Header, object_id: int = 0, label: str = "") -> None:
        """Publish a PROMPT_REJECTED event; without a usable stamp it gets the header of the newest image."""
        self._node.get_logger().warning(f"prompt rejected: {reason}", throttle_duration_sec=1.0)
        try:
            stamp = messages.seconds(header.stamp)
        except StampRangeError:
            stamp = 0.0
        image = self.newest_image
        if not stamp and image is not None:
            header, stamp = image.header, image.stamp
        event = Event(EventKind.PROMPT_REJECTED, object_id, stamp, reason=reason)
        self._publish_event(event, header.frame_id, label)

    def _deadline(self) -> float:
        """For the image of a prompt, seconds on the steady clock."""
        timeout: float = self._node.get_parameter("prompt_timeout").value
        return time.monotonic() + timeout

    def _outcome(self, track_id: int, request: PromptRequest) -> PromptOutcome:
        found, image = self._session.prompted_track(track_id, request.stamp), self.newest_image
        if found is None or image is None:
            return PromptOutcome(track_id)
        stamp, track = found
        header = image.header
        if stamp != image.stamp:
            header = Header(stamp=messages.nearest_time(stamp), frame_id=header.frame_id)
        return PromptOutcome(track_id, messages.mask_message(track.mask, header))


class ResponseFuture(Generic[Result]):
    """Set by any thread, awaited by a coroutine of the executor.

    An error is a result of rclpy's future, because rclpy logs the exceptions of futures that nobody awaits any more.
    """

    def __init__(self, node: Node) -> None:
        self._executor = node.executor
        self._future: Future = Future(executor=node.executor)

    def set_result(self, result: Result) -> None:
        """For a request that was executed."""
        self._future.set_result(lambda: result)
        self._executor.wake()

    def set_exception(self, error: Exception) -> None:
        """For a request that was not executed."""

        def result() -> Result:
            raise error

        self._future.set_result(result)
        self._executor.wake()

    async def wait(self) -> Result:
        """The result; raises the exception."""
        result: Callable[[], Result] = await self._future
        return result()


@contextmanager
def _pass_errors_to(fail: Reject) -> Iterator[None]:
    """Passes on every error, and raises the unexpected ones again for the worker to log."""
    try:
        yield
    except (PromptError, JobRefusedError) as error:
        fail(error)
    except Exception as error:
        fail(JobRefusedError(f"{type(error).__name__}: {error}"))
        raise


def image_stamp(request: PromptRequest | SegmentRequest) -> float:
    """Stamp of the image that a request waits for."""
    return ANY_IMAGE if request.stamp is None else request.stamp
