"""The way from the executor's thread to the worker and back: requests run between two frames and are answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import Header

from sam2_ros.node import messages
from sam2_ros.node.messages import StampRangeError
from sam2_ros.node.session import PromptRequest, Session, View
from sam2_ros.node.worker import ANY_FRAME, Job, JobRefused, Worker
from sam2_ros.tracking.types import Event, EventKind, PromptError, Track

Answer = TypeVar("Answer")
Tell = Callable[[Event, str, str], None]  # an event, its frame_id and the object's label


class Requests:
    """Of one active node."""

    def __init__(self, node: Node, session: Session, worker: Worker, tell: Tell) -> None:
        self._node = node
        self._session = session
        self._worker = worker
        self._tell = tell

    @property
    def view(self) -> View | None:
        """The newest processed image."""
        return self._session.view

    async def place(self, request: PromptRequest) -> tuple[View, Track]:
        """Starts or refines an object once the prompt's image is processed; the answer is that on the newest image.

        Raises PromptError and JobRefused.
        """
        frame = ANY_FRAME if request.stamp is None else request.stamp
        track_id = await self.perform(lambda session: session.place(request), frame)
        return await self._submit(
            lambda session: session.answer(track_id), is_ready=lambda: self._session.has_arrived(track_id)
        )

    async def perform(self, act: Callable[[Session], Answer], frame: float | None, keeps_frame: bool = True) -> Answer:
        """What `act` answers on the worker's thread, once the frame of that stamp or a newer one is processed.

        Raises PromptError and JobRefused.
        """
        patience = self._node.get_parameter("prompt_timeout").value
        deadline = time.monotonic() + patience
        return await self._submit(act, frame=frame, keeps_frame=keeps_frame, deadline=deadline)

    async def _submit(self, act: Callable[[Session], Answer], **conditions: Any) -> Answer:
        """`conditions` are those of a Job."""
        executor = self._node.executor
        answer: Future = Future(executor=executor)

        def run() -> None:
            try:
                answer.set_result(act(self._session))
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

        self._worker.submit(Job(run, refuse, **conditions))
        return await answer

    def pause(self, paused: bool) -> None:
        """While paused, images are ignored; requests are still performed."""
        self._worker.paused = paused

    def reject(self, reason: str, header: Header, object_id: int = 0, label: str = "") -> None:
        """Publishes an event with the reason; a prompt without a usable stamp was meant for the newest image."""
        self._node.get_logger().warning(f"prompt rejected: {reason}", throttle_duration_sec=1.0)
        try:
            stamp = messages.seconds(header.stamp)
        except StampRangeError:
            stamp = 0.0
        if not stamp and self.view is not None:
            header, stamp = self.view.header, self.view.stamp
        event = Event(EventKind.PROMPT_REJECTED, object_id, stamp, reason=reason)
        self._tell(event, header.frame_id, label)
