"""One camera stream and its tracker: what becomes of each frame and of each request. No ROS in here."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch

from sam2_ros.detection.association import DetectionAssociator
from sam2_ros.detection.types import Detection, DetectionConfig, DetectionReport
from sam2_ros.media.ros_images import ImageConverter, ImageError
from sam2_ros.node.conversions.depth import AwaitedDepth
from sam2_ros.node.inputs.double_click import HandClick, StartingClicks
from sam2_ros.node.inputs.image_clock import ImageClock, Jump
from sam2_ros.node.log import REPEAT
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.worker import Frame
from sam2_ros.tracking import StreamingTracker
from sam2_ros.tracking.mask_prompts import cover_warning
from sam2_ros.tracking.types import Event, EventKind, FrameResult, Prompt, PromptError, Track

# Buffered frames by which late prompts are propagated after each new frame. More than one, or they never catch up.
CATCH_UP_FRAMES = 3


@dataclass(frozen=True)
class PromptRequest:
    """A prompt, its object (0: a new one) and the stamp of its image in seconds (None: the newest).

    A person's click repeats an earlier one where it is one of a double click; prompts of programs are taken literally.
    """

    prompt: Prompt
    object_id: int = 0
    stamp: float | None = None
    clicked_at: float | None = None  # when a person's click came, seconds on the steady clock; None: a program's prompt


@dataclass(frozen=True)
class View:
    """The newest processed image, to which all results belong."""

    rgb: np.ndarray  # (H, W, 3) uint8
    header: Any
    stamp: float
    depth: AwaitedDepth | None = None  # where it is asked for


@dataclass(frozen=True)
class Publication:
    """All that is to be told about one image."""

    view: View
    result: FrameResult
    target: Track | None  # the selected object
    events: Sequence[Event]
    labels: Mapping[int, str] = field(default_factory=dict)  # by id, also of objects that have not caught up yet


class Sink(Protocol):
    """Where results go."""

    def publish(self, publication: Publication) -> None:
        """Tells the world."""


class Session:
    """Performs what the worker schedules."""

    def __init__(
        self, tracker: StreamingTracker, sink: Sink, statistics: Statistics, logger: Any, image_bit_depth: int = 0
    ) -> None:
        self._tracker = tracker
        self._associator = DetectionAssociator(tracker, DetectionConfig())
        self._sink = sink
        self._statistics = statistics
        self._logger = logger
        self.clock = ImageClock()  # judges images before they come here, and lasts from one activation to the next
        self._jump: Jump | None = None  # the last one that was taken notice of
        self._converter = ImageConverter(image_bit_depth, logger.warning)
        self.view: View | None = None  # of the newest processed image
        self._starting_clicks = StartingClicks()
        self._selected = 0
        self._events: list[Event] = []
        self._is_published = True
        self._timing: tuple[float, float] | None = None  # when the frame came, and seconds inside the tracker

    @property
    def newest(self) -> float | None:
        """Stamp of the newest frame that can be prompted."""
        covered = self._tracker.covered
        return covered[1] if covered else None

    def process(self, frame: Frame) -> None:
        """Tracks on the next image. Raises ImageError, and whatever the network raises."""
        rgb = self._converter.to_rgb(frame.message)
        if frame.jump is not None and frame.jump is not self._jump:
            self._jump = frame.jump
            self._drop_all(_reason_to_reset(frame.jump), frame.stamp)
        self._note_size(rgb.shape[:2])
        started = time.perf_counter()
        result = self._tracker.step(rgb, frame.stamp)
        self._timing = frame.received, time.perf_counter() - started
        self.view = View(rgb, frame.message.header, frame.stamp, frame.depth)
        self._events.extend(result.events)
        self._is_published = False

    def flush(self) -> None:
        """Publishes the newest image's results where they are new, were changed, or something happened."""
        self._events.extend(self._tracker.drain_events())
        if self.view is None or (self._is_published and not self._events):
            return
        view, events = self.view, tuple(self._events)
        self._is_published = True
        self._events.clear()
        result = self._tracker.latest or FrameResult(view.stamp, 0, view.rgb.shape[:2])
        self._sink.publish(Publication(view, result, self._target(result), events, self._tracker.labels))
        if self._timing is not None:
            received, in_tracker = self._timing
            self._timing = None
            self._statistics.count_processed(time.perf_counter() - received, in_tracker)
        self._statistics.objects = len(result.tracks)

    def fail(self, error: Exception) -> None:
        """Logs what went wrong with a frame; the next one is tried as if nothing had happened."""
        if isinstance(error, ImageError):
            reason = f"an image cannot be used: {error}"
        elif isinstance(error, torch.cuda.OutOfMemoryError):
            torch.cuda.empty_cache()
            reason = (
                f"out of GPU memory ({str(error).splitlines()[0]}): choose a smaller model, image_size, "
                "max_objects or history, or free the GPU of other programs"
            )
        else:
            reason = f"a frame cannot be processed: {''.join(traceback.format_exception(error)).rstrip()}"
        self._statistics.count_unusable(reason)
        self._logger.error(reason, throttle_duration_sec=REPEAT)

    def apply(self, request: PromptRequest) -> int:
        """Starts or refines an object on the prompt's image; its id. Raises PromptError, as RepeatedClick too."""
        if warning := cover_warning(request.prompt.mask):
            self._logger.warning(warning, throttle_duration_sec=REPEAT)
        with self._noticing_changes():
            if request.object_id:
                self._tracker.refine(request.object_id, request.prompt, request.stamp)
                return request.object_id
            if request.clicked_at is not None and self.view is not None:
                return self._start_by_hand(request, request.clicked_at, self.view)
            return self._tracker.add(request.prompt, request.stamp)

    def guide(self, detections: Sequence[Detection], stamp: float, config: DetectionConfig) -> DetectionReport:
        """Lets a detector's boxes start, correct and remove objects. Raises PromptError."""
        self._associator.config = config
        with self._noticing_changes():
            return self._associator.apply(detections, stamp)

    @property
    def pending(self) -> bool:
        """Whether late prompts have yet to catch up with the newest image."""
        return self._tracker.is_pending()

    def catch_up(self) -> None:
        """Propagates late prompts towards the newest image, by so little that a camera does not wait."""
        started = time.perf_counter()
        with self._noticing_changes():
            self._tracker.catch_up(CATCH_UP_FRAMES)
        self._statistics.count_catch_up(time.perf_counter() - started)

    def is_caught_up(self, track_id: int) -> bool:
        """Whether the newest image has everything that was asked for this object."""
        return not self._tracker.is_pending(track_id)

    def outcome(self, track_id: int, stamp: float | None) -> tuple[float, Track] | None:
        """The object of a prompt for the image of `stamp` (None: the newest), after the stamp of the image it is on.

        That is the newest image, or the prompt's own where the object has not caught up; None where neither shows it.
        Raises PromptError where the object or its correction has been dropped since.
        """
        self._events.extend(self._tracker.drain_events())
        for event in self._events:
            if event.track_id == track_id and event.kind is EventKind.PROMPT_REJECTED:
                raise PromptError(f"object {track_id} is as it was: {event.reason}")
        if track_id not in self._tracker.labels:
            raise PromptError(f"object {track_id} was dropped before it reached the newest image: see ~/events")
        results = [self._tracker.latest]
        if stamp is not None and not self.is_caught_up(track_id):
            with suppress(PromptError):  # that image is no longer buffered
                results.append(self._tracker.result_at(stamp))
        tracks = ((result.stamp, track) for result in results if result for track in result.tracks)
        return next((found for found in tracks if found[1].id == track_id), None)

    def remove(self, track_id: int) -> None:
        """Stops following an object. Raises PromptError where there is none of this id."""
        self._tracker.remove(track_id)
        self._is_published = False

    def select(self, track_id: int) -> None:
        """Makes this the target. Raises PromptError where there is none of this id."""
        latest = self._tracker.latest
        known = [track.id for track in latest.tracks] if latest else []
        if track_id not in known:
            objects = ", ".join(map(str, known)) or "none"
            raise PromptError(f"there is no object {track_id}; the objects are: {objects}")
        self._selected = track_id
        self._is_published = False

    def reset(self, reason: str) -> None:
        """Drops every object."""
        self._drop_all(reason, self.view.stamp if self.view else 0.0)
        self._is_published = False

    @contextmanager
    def _noticing_changes(self) -> Iterator[None]:
        """What changes the newest image's results is published once more, even where it fails half way."""
        before = self._tracker.latest
        try:
            yield
        finally:
            if self._tracker.latest is not before:
                self._is_published = False

    def _start_by_hand(self, request: PromptRequest, moment: float, newest: View) -> int:
        stamp = newest.stamp if request.stamp is None else request.stamp
        click = HandClick(request.prompt.clicks[0], stamp, moment)
        self._starting_clicks.check(click, newest.rgb.shape[:2], self._tracker.labels)
        track_id = self._tracker.add(request.prompt, request.stamp)
        self._starting_clicks.note(click, track_id)
        return track_id

    def _note_size(self, size: tuple[int, ...]) -> None:
        """The network sees the same square whatever the size, so what is followed goes on being followed."""
        if self.view is None or size == self.view.rgb.shape[:2]:
            return
        height, width = self.view.rgb.shape[:2]
        self._logger.warning(
            f"the image size changed from {width}x{height} to {size[1]}x{size[0]}; tracking goes on as if the view "
            "were the same: call ~/reset if it is another one",
            throttle_duration_sec=REPEAT,  # of two cameras on one topic every image changes it
        )

    def _drop_all(self, reason: str, stamp: float) -> None:
        """`stamp` is that of the image at which it happens."""
        dropped = len(self._tracker.labels)
        self._events.extend(self._tracker.drain_events())
        self._tracker.reset(reason)
        self._associator.reset()
        self._events.extend(replace(event, stamp=stamp) for event in self._tracker.drain_events())
        self._selected = 0
        self._logger.warning(f"tracker reset, {dropped} objects dropped: {reason}")

    def _target(self, result: FrameResult) -> Track | None:
        """The selected object, and no other once it is gone; as long as none is selected, the one followed longest."""
        tracks = {track.id: track for track in result.tracks}
        return tracks.get(self._selected or min(tracks, default=0))


def _reason_to_reset(jump: Jump) -> str:
    return (
        f"image stamps jumped back from {jump.before:.3f} s to {jump.after:.3f} s "
        "(a bag that loops, a simulator that was reset): prompt again"
    )
