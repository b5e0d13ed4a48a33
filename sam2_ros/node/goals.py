"""The goals of ~/track_object: what each gets of a processed image, and when it ends.

The worker's thread applies their prompts and updates them with every image; the executor's thread cancels and finishes
them. Whatever ends a goal first is how it ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from sam2_ros.action import TrackObject
from sam2_ros.msg import Track, TrackArray
from sam2_ros.node.requests import ResponseFuture, image_stamp
from sam2_ros.node.session import Session
from sam2_ros.node.types import PromptRequest, TrackingOutput
from sam2_ros.node.worker import ANY_IMAGE, WorkerClosedError
from sam2_ros.tracking.types import Event, EventKind, PromptError

Result: TypeAlias = TrackObject.Result
Feedback: TypeAlias = TrackObject.Feedback


@dataclass(frozen=True)
class End:
    """How a goal ended."""

    kind: int  # a constant of the action's result
    reason: str


@dataclass(frozen=True)
class GoalOptions:
    """What a goal asks for. Without a prompt it adopts the object; durations of 0 are without limit."""

    object_id: int
    prompt: PromptRequest | None
    max_absence: float  # seconds of image time
    remove_object: bool

    @property
    def image_stamp(self) -> float:
        """Of the image that the goal starts on (seconds)."""
        return ANY_IMAGE if self.prompt is None else image_stamp(self.prompt)


class Goal:
    """One accepted goal; `end` is set once, by whichever thread ends it first."""

    def __init__(
        self, options: GoalOptions, publish_feedback: Callable[[Feedback], None], end: ResponseFuture[End]
    ) -> None:
        self.image_stamp = options.image_stamp
        self.object_id = 0  # 0: none yet
        self.end = end
        self._options = options
        self._publish_feedback = publish_feedback
        self._is_caught_up = False
        self._sighting: Feedback | None = None  # on the newest image on which the object was visible
        self._lock = threading.Lock()
        self._has_ended = False

    def finish(self, kind: int, reason: str) -> None:
        """End the goal, unless it has ended."""
        with self._lock:
            if self._has_ended:
                return
            self._has_ended = True
        self.end.set_result(End(kind, reason))

    def reject(self, error: Exception) -> None:
        """End the goal, because its prompt was not applied."""
        is_closed = isinstance(error, WorkerClosedError)
        self.finish(Result.DEACTIVATED if is_closed else Result.REFUSED, str(error))

    def result(self, end: End) -> Result:
        """The action's result."""
        result = Result(ended=end.kind, reason=end.reason, object_id=self.object_id)
        if self._sighting is not None:
            result.has_sighting = True
            result.header, result.last_sighting = self._sighting.header, self._sighting.track
            result.position_frame = self._sighting.position_frame
        return result

    # ---- on the worker's thread

    def apply(self, session: Session) -> int:
        """Start, correct or adopt the object; its id, 0: the goal has ended meanwhile. Raises PromptError."""
        if self._has_ended:
            return 0
        if self._options.prompt is not None:
            self.object_id = session.apply_prompt(self._options.prompt)
        else:
            session.check_tracked(self._options.object_id)
            self.object_id = self._options.object_id
        return self.object_id

    def catch_up(self) -> None:
        """From now on there is feedback."""
        self._is_caught_up = True

    @property
    def wants_removal(self) -> bool:
        """Whether the goal asks for the removal of an object that it started or adopted."""
        return self._options.remove_object and self.object_id != 0

    def remove_object(self, session: Session) -> None:
        """Stop tracking the object where the goal asks for that, and it was not removed before."""
        if self.wants_removal:
            with suppress(PromptError):
                session.remove(self.object_id)

    def update(self, tracks: TrackArray, output: TrackingOutput) -> None:
        """Publish feedback for an image; end the goal where its object was removed or has been absent for too long."""
        if self._has_ended or not self.object_id:
            return
        if self.object_id not in output.labels:
            self.finish(*_removal(self.object_id, output))
            return
        track = next((track for track in tracks.tracks if track.id == self.object_id), None)
        if track is None or not self._is_caught_up:
            return
        last_seen = next(track.last_seen for track in output.result.tracks if track.id == self.object_id)
        absence = max(0.0, output.result.stamp - last_seen)
        feedback = Feedback(header=tracks.header, track=track, position_frame=tracks.position_frame, absence=absence)
        if track.state == Track.VISIBLE:
            self._sighting = feedback
        self._publish_feedback(feedback)
        limit = self._options.max_absence
        if absence > limit > 0:
            self.finish(
                Result.LOST, f"object {self.object_id} was not seen for {absence:.2f} s, max_absence is {limit:g} s"
            )


class Goals:
    """The goals that have not been answered yet."""

    def __init__(self) -> None:
        self._goals: tuple[Goal, ...] = ()  # replaced, never changed: two threads read it

    def __len__(self) -> int:
        return len(self._goals)

    def add(self, goal: Goal) -> None:
        """On the executor's thread."""
        self._goals = (*self._goals, goal)

    def remove(self, goal: Goal) -> None:
        """On the executor's thread."""
        self._goals = tuple(other for other in self._goals if other is not goal)

    def update(self, tracks: TrackArray, output: TrackingOutput) -> None:
        """Give every goal the results of an image; on the worker's thread."""
        for goal in self._goals:
            goal.update(tracks, output)

    def deactivate(self, session: Session | None) -> None:
        """End all goals after the worker has ended; objects are removed where there is a session."""
        for goal in self._goals:
            goal.finish(Result.DEACTIVATED, "the node was deactivated")
            if session is not None:
                goal.remove_object(session)


def _removal(object_id: int, output: TrackingOutput) -> tuple[int, str]:
    """How a goal ends whose object is gone."""

    def found(kind: EventKind, track_id: int) -> Event | None:
        events = (event for event in output.events if (event.kind, event.track_id) == (kind, track_id))
        return next(events, None)

    if (removed := found(EventKind.REMOVED, object_id)) or not (reset := found(EventKind.RESET, 0)):
        why = f": {removed.reason}" if removed and removed.reason else ""
        return Result.REMOVED, f"object {object_id} was removed{why}"
    return Result.RESET, f"tracker reset: {reset.reason}"
