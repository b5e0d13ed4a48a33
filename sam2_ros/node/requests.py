"""The way from the executor's thread to the worker and back: requests run between two frames and are answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.messages import StampRangeError
from sam2_ros.node.session import PromptRequest, Session, View
from sam2_ros.node.worker import ANY_FRAME, Job, JobRefused, Reply, Worker
from sam2_ros.tracking.types import Event, EventKind, PromptError

Result = TypeVar("Result")
Reject = Callable[[Exception], None]
PublishEvent = Callable[[Event, str, str], None]  # an event, its frame_id and the object's label


@dataclass(frozen=True)
class PromptOutcome:
    """The object of a prompt, and its mask on the image of the mask's header."""

    object_id: int
    mask: Image | None = None  # None: the node was deactivated before there was one


class Requests:
    """Of one active node."""

    def __init__(self, node: Node, session: Session, worker: Worker, publish_event: PublishEvent) -> None:
        self._node = node
        self._session = session
        self._worker = worker
        self._publish_event = publish_event

    @property
    def view(self) -> View | None:
        """The newest processed image."""
        return self._session.view

    def apply(self, request: PromptRequest, reject: Reject) -> None:
        """Starts or refines an object once the prompt's image is processed.

        A prompt that is not applied is rejected instead, on any thread.
        """

        def run() -> None:
            with _failing(reject):
                self._session.apply(request)

        try:
            self._worker.submit(Job(run, reject, _frame_of(request), self._deadline()))
        except JobRefused as error:
            reject(error)

    async def apply_and_wait(self, request: PromptRequest) -> PromptOutcome:
        """Starts or refines an object once the prompt's image is processed, and waits until it has caught up.

        Raises PromptError and JobRefused where the prompt is not applied, or the object was dropped meanwhile.
        """
        answer = _Answer[PromptOutcome](self._node)

        def run() -> Reply | None:
            with _failing(answer.fail):
                track_id = self._session.apply(request)
                return Reply(lambda: self._session.is_caught_up(track_id), lambda: reply(track_id))
            return None

        def reply(track_id: int) -> None:
            with _failing(answer.fail):
                answer.set(self._outcome(track_id, request))

        self._worker.submit(Job(run, answer.fail, _frame_of(request), self._deadline()))
        return await answer.wait()

    async def execute(
        self, action: Callable[[Session], Result], frame: float | None, keeps_frame: bool = True
    ) -> Result:
        """What `action` returns on the worker's thread, once the frame of that stamp or a newer one is processed.

        Raises PromptError and JobRefused.
        """
        answer = _Answer[Result](self._node)

        def run() -> None:
            with _failing(answer.fail):
                answer.set(action(self._session))

        self._worker.submit(Job(run, answer.fail, frame, self._deadline(), keeps_frame))
        return await answer.wait()

    def pause(self, paused: bool) -> None:
        """While paused, images are ignored; requests are still executed."""
        self._worker.paused = paused

    def reject(self, reason: str, header: Header, object_id: int = 0, label: str = "") -> None:
        """Publishes an event with the reason; a prompt without a usable stamp was meant for the newest image."""
        self._node.get_logger().warning(f"prompt rejected: {reason}", throttle_duration_sec=1.0)
        try:
            stamp = messages.seconds(header.stamp)
        except StampRangeError:
            stamp = 0.0
        view = self.view
        if not stamp and view is not None:
            header, stamp = view.header, view.stamp
        event = Event(EventKind.PROMPT_REJECTED, object_id, stamp, reason=reason)
        self._publish_event(event, header.frame_id, label)

    def _deadline(self) -> float:
        """On the steady clock."""
        return time.monotonic() + self._node.get_parameter("prompt_timeout").value

    def _outcome(self, track_id: int, request: PromptRequest) -> PromptOutcome:
        found, view = self._session.outcome(track_id, request.stamp), self.view
        if found is None or view is None:
            return PromptOutcome(track_id)
        stamp, track = found
        header = view.header
        if stamp != view.stamp:
            header = Header(stamp=messages.nearest_time(stamp), frame_id=header.frame_id)
        return PromptOutcome(track_id, messages.mask_message(track.mask, header))


class _Answer(Generic[Result]):
    """The worker's answer to a coroutine of the executor.

    An error is a result of the future, for rclpy prints the exceptions of futures that nobody awaits any more.
    """

    def __init__(self, node: Node) -> None:
        self._executor = node.executor
        self._future: Future = Future(executor=node.executor)

    def set(self, result: Result) -> None:
        """The request took effect."""
        self._future.set_result(lambda: result)
        self._executor.wake()

    def fail(self, error: Exception) -> None:
        """It did not."""

        def result() -> Result:
            raise error

        self._future.set_result(result)
        self._executor.wake()

    async def wait(self) -> Result:
        """The result; raises the error."""
        result = await self._future
        return result()


@contextmanager
def _failing(fail: Reject) -> Iterator[None]:
    """Passes on what went wrong; the worker hears of what should not."""
    try:
        yield
    except PromptError as error:
        fail(error)
    except Exception as error:
        fail(JobRefused(f"{type(error).__name__}: {error}"))
        raise


def _frame_of(request: PromptRequest) -> float:
    return ANY_FRAME if request.stamp is None else request.stamp
