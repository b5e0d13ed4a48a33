"""Follows objects through a stream: every frame is tracked, every prompt applied to its own frame."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from sam2_ros.detection.association import DetectionAssociator
from sam2_ros.detection.types import DetectionConfig
from sam2_ros.tracking import FrameResult, PromptError, StreamingTracker

from .problems import Problems
from .prompts import AtStamp, Detections, PlannedPrompt
from .stamps import seconds_text
from .streams import Frame


class PromptedTracker:
    """One stream and its tracker. A prompt that cannot be used is a problem; tracking continues without it.

    Objects have the numbers of their prompts, whatever the order in which they start; detected ones have others.
    """

    def __init__(self, tracker: StreamingTracker, prompts: Sequence[PlannedPrompt], problems: Problems) -> None:
        self._tracker = tracker
        self._waiting = list(prompts)
        self._problems = problems
        self._ids: dict[int, int] = {}  # of the tracker, by object
        self._objects: dict[int, int] = {}  # the other way round
        self._reserved = {planned.object for planned in prompts if not planned.is_correction}
        self._detections: Detections | None = None
        self._associator = DetectionAssociator(tracker, DetectionConfig())
        self._first: Frame | None = None
        self._newest: Frame | None = None
        self.unused_prompts = 0
        self.seconds = 0.0  # that the newest frame took
        self.prompted: set[int] = set()  # objects that were prompted on the newest frame

    def use_detections(self, detections: Detections, config: DetectionConfig) -> None:
        """Let a detector's boxes start, correct and find objects, as in the node."""
        self._detections = detections
        self._associator = DetectionAssociator(self._tracker, config)

    def follow(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, FrameResult]]:
        """All frames with their results, as they come."""
        for frame in frames:
            start = time.perf_counter()
            result = self.step(frame)
            self.seconds = time.perf_counter() - start
            yield frame, result

    def step(self, frame: Frame) -> FrameResult:
        """The result for the next frame, with the prompts and detections for it; its index is that of the frame."""
        self._first = self._first or frame
        self._newest = frame
        self.prompted = set()
        result = self._tracker.step(frame.rgb, frame.seconds)
        events = result.events
        self._apply_prompts(frame)
        self._apply_detections(frame, result)
        latest = self._tracker.latest or result
        return self._numbered(replace(latest, index=frame.index, events=events + self._tracker.drain_events()))

    def finish(self) -> None:
        """Note the prompts whose frame never came."""
        for planned in self._waiting:
            self._reject(planned, f"there is no such image; {self._extent(planned)}")
        self._waiting.clear()
        if self._detections is not None:
            self._detections.finish()

    def _apply_prompts(self, frame: Frame) -> None:
        due = [planned for planned in self._waiting if planned.moment.matches(frame)]
        for planned in due:
            self._waiting.remove(planned)
            try:
                self._apply(planned)
            except PromptError as error:
                self._reject(planned, str(error))

    def _apply(self, planned: PlannedPrompt) -> None:
        if planned.object in self._ids:
            self._tracker.refine(self._ids[planned.object], planned.prompt)
        else:
            self._name(self._tracker.add(planned.prompt), planned.object)
        self.prompted.add(planned.object)

    def _apply_detections(self, frame: Frame, result: FrameResult) -> None:
        if self._detections is None:
            return
        for detections in self._detections.on(frame, result):
            try:
                report = self._associator.apply(detections, frame.seconds)
                self.prompted |= {
                    self._object(track_id) for track_id in (*report.started, *report.corrected, *report.returned)
                }
            except PromptError as error:
                self._problems.add("detections of an image", f"image {frame.index}: detections are ignored: {error}")

    def _numbered(self, result: FrameResult) -> FrameResult:
        """The result with the objects' numbers in place of the tracker's ids."""
        tracks = [replace(track, id=self._object(track.id)) for track in result.tracks]
        events = [replace(e, track_id=self._object(e.track_id)) if e.track_id else e for e in result.events]
        return replace(result, tracks=tuple(sorted(tracks, key=lambda track: track.id)), events=tuple(events))

    def _object(self, track_id: int) -> int:
        """The number of a track's object, the next free one if it has none."""
        if track_id not in self._objects:
            taken = self._reserved | self._ids.keys()
            self._name(track_id, next(number for number in count(1) if number not in taken))
        return self._objects[track_id]

    def _name(self, track_id: int, number: int) -> None:
        self._ids[number] = track_id
        self._objects[track_id] = number

    def _reject(self, planned: PlannedPrompt, reason: str) -> None:
        self.unused_prompts += 1
        kind = f"prompt of object {planned.object} for {planned.moment}"
        self._problems.add(kind, f"a prompt of object {planned.object} for {planned.moment} is not used: {reason}")

    def _extent(self, planned: PlannedPrompt) -> str:
        if self._first is None or self._newest is None:
            return "there are no images"
        if isinstance(planned.moment, AtStamp):
            return f"images are stamped {seconds_text(self._first.stamp)} to {seconds_text(self._newest.stamp)} s"
        return f"images are numbered {self._first.index} to {self._newest.index}"
