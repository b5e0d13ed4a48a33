"""One image stream and its tracker: processes images and requests on the worker's thread. No ROS in here."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import torch

from sam2_ros.detection.association import DetectionAssociator
from sam2_ros.detection.types import Detection, DetectionConfig, DetectionReport
from sam2_ros.media.ros_encodings import ImageError
from sam2_ros.media.ros_images import ImageConverter
from sam2_ros.node.background import Background, DiscoverySettings, Task
from sam2_ros.node.inputs.double_click import RecentClicks, UserClick
from sam2_ros.node.inputs.stamp_filter import StampFilter, TimeJump
from sam2_ros.node.log import THROTTLE_PERIOD
from sam2_ros.node.segmenting import segmentation
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import (
    AppliedPrompt,
    FoundMask,
    ProcessedImage,
    PromptRequest,
    ReceivedImage,
    SegmentRequest,
    TrackingOutput,
)
from sam2_ros.node.worker import PROCESS_IMAGE
from sam2_ros.tracking import StreamingTracker
from sam2_ros.tracking.mask_prompts import cover_warning
from sam2_ros.tracking.types import Event, EventKind, FrameResult, PromptError, Track

# Buffered frames by which late prompts are propagated after each new image. More than one, or they never catch up.
CATCH_UP_FRAMES = 3

Answer = TypeVar("Answer")


class OutputPublisher(Protocol):
    """Publishes the tracker's results."""

    def publish(self, output: TrackingOutput) -> None:
        """Publish the results and events of one image."""


class Session:
    """Processes what the worker schedules; see `worker.ImageProcessor`."""

    def __init__(
        self,
        tracker: StreamingTracker,
        publisher: OutputPublisher,
        statistics: Statistics,
        logger: Any,
        image_bit_depth: int = 0,
        discovery: DiscoverySettings | None = None,
    ) -> None:
        self._tracker = tracker
        self._associator = DetectionAssociator(tracker, DetectionConfig())
        self._background = Background(tracker, statistics.background, discovery)
        self._publisher = publisher
        self._statistics = statistics
        self._logger = logger
        self.stamp_filter = StampFilter()  # checks the stamps of received images; kept from one activation to the next
        self._jump: TimeJump | None = None  # the newest one that was handled
        self._converter = ImageConverter(image_bit_depth, logger.warning)
        self.newest_image: ProcessedImage | None = None
        # Of the buffered images and of others that failed: a step may fail before or after it has buffered its image.
        self._headers: deque[tuple[float, Any]] = deque(maxlen=2 * tracker.config.history)
        self._recent_clicks = RecentClicks()
        self._selected = 0  # object id, 0: none
        self._events: list[Event] = []  # that are not published yet
        self._prompts: list[AppliedPrompt] = []  # that are not published yet
        self._is_published = True  # whether the newest image's results are
        self._timing: tuple[float, float] | None = None  # when the image was received, and seconds inside the tracker

    # ---- images

    @property
    def newest_stamp(self) -> float | None:
        """Stamp of the newest frame that can be prompted (seconds)."""
        covered = self._tracker.covered
        return covered[1] if covered else None

    def process(self, image: ReceivedImage) -> None:
        """Track on the next image. Raises ImageError, and whatever the model raises."""
        rgb = self._converter.to_rgb(image.message)
        if image.jump is not None and image.jump is not self._jump:
            self._jump = image.jump
            self._reset(_jump_reason(image.jump), image.stamp)
        self._warn_if_resized(rgb.shape[:2])
        self._headers.append((image.stamp, image.message.header))
        started = time.perf_counter()
        result = self._tracker.step(rgb, image.stamp)
        self._timing = image.received, time.perf_counter() - started
        self.newest_image = ProcessedImage(rgb, image.message.header, image.stamp, image.depth, image.camera_infos)
        self._events.extend(result.events)
        self._is_published = False

    @property
    def is_catching_up(self) -> bool:
        """Whether a late prompt is still being propagated to the newest image."""
        return self._tracker.is_pending()

    def catch_up(self) -> None:
        """Propagate late prompts by a few buffered frames, so that no image waits for long."""
        started = time.perf_counter()
        with self._republish_if_changed():
            self._tracker.catch_up(CATCH_UP_FRAMES)
        self._statistics.count_catch_up(time.perf_counter() - started)

    @property
    def has_background_work(self) -> bool:
        """Whether there are requests for masks, or objects to look for."""
        return self._background.has_work

    def work_in_background(self) -> None:
        """Do a short piece of the background work."""
        with self._republish_if_changed():
            self._background.work()

    def flush(self) -> None:
        """Publish the newest image's results where they are new or changed, or there are events; and prompts since."""
        self._events.extend(self._tracker.drain_events())
        if self.newest_image is None or (self._is_published and not self._events):
            return
        image, events, prompts = self.newest_image, tuple(self._events), tuple(self._prompts)
        self._is_published = True
        self._events.clear()
        self._prompts.clear()
        result = self._tracker.latest or FrameResult(image.stamp, 0, image.rgb.shape[:2])
        target = self._target(result)
        self._publisher.publish(TrackingOutput(image, result, target, events, self._tracker.labels, prompts))
        if self._timing is not None:
            received, in_tracker = self._timing
            self._timing = None
            self._statistics.count_processed(time.perf_counter() - received, in_tracker)
        self._statistics.objects = len(result.tracks)

    def fail(self, error: Exception, action: str) -> None:
        """Log why an action failed, such as `process an image`; the next image is processed as usual."""
        if isinstance(error, ImageError):
            reason = f"cannot read an image: {error}"
        elif isinstance(error, torch.cuda.OutOfMemoryError):
            torch.cuda.empty_cache()
            reason = (
                f"out of GPU memory ({str(error).splitlines()[0]}): choose a smaller model, image_size, "
                "max_objects or history, or stop other programs that use the GPU"
            )
        else:
            reason = f"cannot {action}: {''.join(traceback.format_exception(error)).rstrip()}"
        if action == PROCESS_IMAGE:
            self._statistics.count_unusable(reason)
        else:
            self._statistics.last_error = reason
        self._logger.error(reason, throttle_duration_sec=THROTTLE_PERIOD)

    # ---- prompts and detections

    def apply_prompt(self, request: PromptRequest) -> int:
        """Start or refine an object on the prompt's image; its id. Raises PromptError and RepeatedClickError."""
        if warning := cover_warning(request.prompt.mask):
            self._logger.warning(warning, throttle_duration_sec=THROTTLE_PERIOD)
        with self._republish_if_changed():
            track_id = self._start_or_refine(request)
        self._prompts.append(AppliedPrompt(request.prompt, track_id, self._header_of(request.stamp)))
        return track_id

    def apply_detections(
        self, detections: Sequence[Detection], stamp: float, config: DetectionConfig
    ) -> DetectionReport:
        """Let a detector's boxes start, correct and remove objects. Raises PromptError."""
        self._associator.config = config
        with self._republish_if_changed():
            return self._associator.apply(detections, stamp)

    def is_caught_up(self, track_id: int) -> bool:
        """Whether all prompts for this object have been propagated to the newest image."""
        return not self._tracker.is_pending(track_id)

    def prompted_track(self, track_id: int, stamp: float | None) -> tuple[float, Track] | None:
        """The track of a prompted object, with the stamp of the image it is on (seconds).

        That is the newest image, or the image of the prompt, of `stamp`, while the object catches up (None: that is the
        newest); None where the object is on neither. Raises PromptError where the object or its correction was dropped
        meanwhile.
        """
        self._events.extend(self._tracker.drain_events())
        for event in self._events:
            if event.track_id == track_id and event.kind is EventKind.PROMPT_REJECTED:
                raise PromptError(f"object {track_id} is unchanged: {event.reason}")
        if track_id not in self._tracker.labels:
            raise PromptError(f"object {track_id} was dropped before it reached the newest image: see ~/events")
        results = [self._tracker.latest]
        if stamp is not None and not self.is_caught_up(track_id):
            with suppress(PromptError):  # that image is no longer buffered
                results.append(self._tracker.result_at(stamp))
        tracks = ((result.stamp, track) for result in results if result for track in result.tracks)
        return next((found for found in tracks if found[1].id == track_id), None)

    # ---- masks on single images

    def segment(
        self,
        request: SegmentRequest,
        build_answer: Callable[[Sequence[FoundMask], Any, tuple[int, int]], Generator[object, None, Answer]],
    ) -> Task[Answer]:
        """Queue a request. `build_answer`, of masks, the image's header and its size (H, W), yields after each step.

        Raises PromptError and JobRefusedError.
        """
        work = segmentation(request, self._tracker)
        header = dict(self._headers)[work.frame.stamp]

        def steps() -> Generator[object, None, Answer]:
            found = yield from work.steps
            return (yield from build_answer(found, header, work.frame.size))

        return self._background.add(steps())

    def cancel(self, task: Task[Any], reason: str) -> None:
        """End a queued request without masks."""
        self._background.cancel(task, reason)

    # ---- objects

    def remove(self, track_id: int) -> None:
        """Stop tracking an object. Raises PromptError for an unknown id."""
        self._tracker.remove(track_id)
        self._is_published = False

    def check_tracked(self, track_id: int) -> None:
        """Raises PromptError for an unknown id."""
        _check_known(track_id, self._tracker.labels)

    def select(self, track_id: int) -> None:
        """Make this object the target. Raises PromptError for an unknown id."""
        latest = self._tracker.latest
        _check_known(track_id, [track.id for track in latest.tracks] if latest else [])
        self._selected = track_id
        self._is_published = False

    def reset(self, reason: str) -> None:
        """Drop all objects."""
        self._reset(reason, self.newest_image.stamp if self.newest_image else 0.0)
        self._is_published = False

    @contextmanager
    def _republish_if_changed(self) -> Iterator[None]:
        """The newest image's results are published again where they change, even where the change fails half way."""
        before = self._tracker.latest
        try:
            yield
        finally:
            if self._tracker.latest is not before:
                self._is_published = False

    def _start_or_refine(self, request: PromptRequest) -> int:
        if request.object_id:
            self._tracker.refine(request.object_id, request.prompt, request.stamp)
            return request.object_id
        if request.clicked_at is not None and self.newest_image is not None:
            return self._start_from_click(request, request.clicked_at, self.newest_image)
        return self._tracker.add(request.prompt, request.stamp)

    def _header_of(self, stamp: float | None) -> Any:
        """The header of the buffered image that a prompt of this stamp was applied to (None: of the newest)."""
        wanted = self.newest_stamp if stamp is None else stamp
        assert wanted is not None  # the prompt was applied to an image
        return min(self._headers, key=lambda entry: abs(entry[0] - wanted))[1]

    def _start_from_click(self, request: PromptRequest, clicked_at: float, newest: ProcessedImage) -> int:
        stamp = newest.stamp if request.stamp is None else request.stamp
        click = UserClick(request.prompt.clicks[0], stamp, clicked_at)
        self._recent_clicks.check(click, newest.rgb.shape[:2], self._tracker.labels)
        track_id = self._tracker.add(request.prompt, request.stamp)
        self._recent_clicks.add(click, track_id)
        return track_id

    def _warn_if_resized(self, size: tuple[int, ...]) -> None:
        """Tracking continues: whatever the size, the model gets the same square."""
        if self.newest_image is None or size == self.newest_image.rgb.shape[:2]:
            return
        height, width = self.newest_image.rgb.shape[:2]
        self._logger.warning(
            f"the image size changed from {width}x{height} to {size[1]}x{size[0]}; tracking continues as if the view "
            "were the same: call ~/reset if it is not",
            throttle_duration_sec=THROTTLE_PERIOD,  # two cameras on one topic change it with every image
        )

    def _reset(self, reason: str, stamp: float) -> None:
        """`stamp` is that of the image on which it happens."""
        dropped = len(self._tracker.labels)
        self._events.extend(self._tracker.drain_events())
        self._tracker.reset(reason)
        self._associator.reset()
        self._background.reset(f"the tracker was reset before the masks were found ({reason}): ask again")
        self._headers.clear()
        self._events.extend(replace(event, stamp=stamp) for event in self._tracker.drain_events())
        self._selected = 0
        self._logger.warning(f"tracker reset, {dropped} objects dropped: {reason}")

    def _target(self, result: FrameResult) -> Track | None:
        """The selected object, None once it is removed; where none is selected, the oldest object."""
        tracks = {track.id: track for track in result.tracks}
        return tracks.get(self._selected or min(tracks, default=0))


def _check_known(track_id: int, known: Collection[int]) -> None:
    if track_id not in known:
        objects = ", ".join(map(str, sorted(known))) or "none"
        raise PromptError(f"there is no object {track_id}; the objects are: {objects}")


def _jump_reason(jump: TimeJump) -> str:
    return (
        f"image stamps jumped back from {jump.before:.3f} s to {jump.after:.3f} s "
        "(a bag that loops, a simulator that was reset): prompt again"
    )
