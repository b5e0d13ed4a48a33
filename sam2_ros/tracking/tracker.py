"""The streaming tracker: frames one by one, without end; objects are added, corrected and removed at any time.

A frame is encoded once. All objects then read their memories, are decoded and write their memories in one batch; on a
skipped frame their masks are only warped. The newest frames are buffered, so that a late prompt is applied to the frame
that it was made on and propagated from there to the newest. A correction works on a copy of the object, which replaces
the object once it has caught up; until then the object is tracked as before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from ..model import Network
from .arguments import shown
from .config import TrackerConfig
from .frame_buffer import EncodedFrame, Frame, FrameBuffer
from .frame_skipping import FrameSkipping, flow_grid, flow_image
from .geometry import full_size
from .mask_prompts import cover_warning
from .preprocess import preprocess
from .prompts import check_first_prompt, check_prompt
from .propagation import Propagation, TrackedObject
from .results import masks_of, result_of
from .stopwatch import Stopwatch
from .track_state import EventEmitter, TrackStatus
from .transfer import fetch
from .types import Event, EventKind, FrameResult, Preview, Prompt, PromptError


class StreamingTracker:
    """Tracks objects through a stream of frames with a SAM 2 model; not thread-safe."""

    def __init__(self, model: Network, config: TrackerConfig | None = None, stopwatch: Stopwatch | None = None) -> None:
        check_arguments(model, config)
        self.model = model
        self.config = config = config or TrackerConfig()
        self._stopwatch = stopwatch = stopwatch or Stopwatch()
        self._propagation = Propagation(model, config, stopwatch)
        self._skipping = FrameSkipping(config.encode_every, config.target_fps)
        self._frames = FrameBuffer(config.history, config.stamp_tolerance)
        self._objects: dict[int, TrackedObject] = {}  # tracked on the newest frame
        self._pending: dict[int, TrackedObject] = {}  # catching up; copies of corrected objects among them
        self._ids = count(1)
        self._events: list[Event] = []
        self._latest: FrameResult | None = None

    # ---- frames

    @torch.inference_mode()
    def capture(self) -> Iterator[str]:
        """Capture the CUDA graphs of all frames to come, before the first; else each is when it is first needed.

        Yields what comes next, for a log; nothing where no graphs are used.
        """
        yield from self._propagation.capture()

    def step(self, rgb: np.ndarray, stamp: float) -> FrameResult:
        """Track every object on the next frame, (H, W, 3) uint8 RGB, stamped in seconds.

        Raises TypeError or ValueError for anything but an image, StampError for a stamp that is not newer than the
        last one; the tracker does not change then.
        """
        self._frames.check_next(stamp)
        self._stopwatch.restart()
        with self._stopwatch.time("preprocess"):
            image = preprocess(rgb, self.model.config.image_size, self.model.device)
        return self.step_tensor(image, rgb.shape[:2], stamp)

    @torch.inference_mode()
    def step_tensor(self, image: Tensor, size: tuple[int, int], stamp: float) -> FrameResult:
        """`step` for a preprocessed frame: (1, 3, S, S), normalised, of original `size` (H, W)."""
        self._frames.check_next(stamp)
        start = time.perf_counter()
        frame = self._next_frame(image, size, stamp)
        if self._objects:
            self._propagation.propagate(list(self._objects.values()), frame)
            self._skipping.record(time.perf_counter() - start, frame.is_skipped)
        elif not frame.is_skipped:
            self._propagation.encode(frame)
        if oldest := self._frames.next_to_drop:
            self._catch_up_to(oldest)
        self._frames.append(frame)
        for object_ in list(self._objects.values()):
            self._emit_events(object_, stamp)
            self._remove_if_expired(object_, stamp)
        with self._stopwatch.time("masks"):
            self._latest = result_of(frame, self._objects.values())
        return replace(self._latest, events=self.drain_events())

    # ---- objects

    @torch.inference_mode()
    def add(self, prompt: Prompt, stamp: float | None = None, reason: str = "") -> int:
        """Track a new object from a buffered frame on (None: the newest); returns its id.

        The event has the `reason` why it was started. Raises PromptError when the prompt or its stamp cannot be used,
        or there are `max_objects` already.
        """
        frame = self._frames.at(stamp)
        prompt = check_first_prompt(prompt, frame.size)
        self._propagation.check(prompt, frame)
        taken = {object_.mask_value for object_ in self._all_objects()}
        if len(taken) >= self.config.max_objects:
            raise PromptError(f"there are {len(taken)} objects already, as max_objects allows; remove one or raise it")
        track_id, row = next(self._ids), self._free_row()
        object_ = TrackedObject(
            id=track_id,
            row=row,
            mask_value=_first_free(taken, start=1),
            label=prompt.label,
            first_frame=frame.index,
            newest_frame=frame.index,
            status=TrackStatus(frame.stamp),
            events=EventEmitter(track_id, frame.stamp),
        )
        self._apply(prompt, object_, frame, reason)
        return track_id

    @torch.inference_mode()
    def refine(self, track_id: int, prompt: Prompt, stamp: float | None = None) -> None:
        """Correct an object on a buffered frame (None: the newest), and on all frames since.

        Clicks join the object's earlier clicks on that frame, and may all be negative. Raises PromptError like
        `add`, and for an unknown id.
        """
        current = self._object(track_id)
        object_ = self._pending.get(track_id, current)
        frame = self._frames.at(stamp)
        if frame.index < object_.first_frame:
            raise PromptError(f"object {track_id} starts after the frame of this prompt; add it as a new object")
        prompt = check_prompt(prompt, frame.size)
        self._propagation.check(prompt, frame, object_)
        if track_id in self._pending:
            self.catch_up()
            object_ = self._object(track_id)
        label, row = prompt.label or object_.label, self._free_row()
        self._propagation.copy(object_, row)
        self._apply(prompt, replace(object_, row=row, label=label), frame)

    @torch.inference_mode()
    def catch_up(self, frames: int | None = None) -> bool:
        """Propagate late prompts by that many buffered frames (None: to the newest); returns whether any is pending.

        Where that raises (out of GPU memory), these prompts are dropped: new objects are removed, corrected ones stay
        as they were, and an event reports each.
        """
        while self._pending and (frames is None or frames > 0):
            start = min(object_.newest_frame for object_ in self._pending.values())
            objects = [object_ for object_ in self._pending.values() if object_.newest_frame == start]
            try:
                self._propagation.catch_up(objects, self._frames.following(start))
            except Exception as error:
                self._drop_pending(objects, error)
                raise
            for object_ in objects:
                self._finish_if_caught_up(object_)
            frames = None if frames is None else frames - 1
        return bool(self._pending)

    def is_pending(self, track_id: int | None = None) -> bool:
        """Whether a prompt for this object (None: for any) is still being propagated to the newest frame."""
        return bool(self._pending) if track_id is None else track_id in self._pending

    def remove(self, track_id: int, reason: str = "") -> None:
        """Stop tracking an object; raises PromptError for an unknown id."""
        last_seen = self._object(track_id).status.last_seen
        for objects in (self._objects, self._pending):
            if removed := objects.pop(track_id, None):
                self._propagation.drop(removed)
        for frame in self._frames:
            frame.outputs.pop(track_id, None)
        self._latest = None
        stamp = self._frames.at(None).stamp
        self._events.append(Event(EventKind.REMOVED, track_id, stamp, max(0.0, stamp - last_seen), reason))

    def reset(self, reason: str = "") -> None:
        """Drop all objects and frames; ids continue, so that none is used twice."""
        newest = self._frames.newest
        for object_ in self._all_objects():
            self._propagation.drop(object_)
        self._objects.clear()
        self._pending.clear()
        self._frames.clear()
        self._latest = None
        self._events = [Event(EventKind.RESET, 0, newest.stamp if newest else 0.0, reason=reason)]

    # ---- state

    @property
    def latest(self) -> FrameResult | None:
        """The newest frame's result, including what was added, corrected or removed since it was tracked."""
        if self._latest is None and self._frames.newest:
            self._latest = result_of(self._frames.newest, self._current_objects())
        return self._latest

    @torch.inference_mode()
    def result_at(self, stamp: float) -> FrameResult:
        """The current tracks of a buffered frame; events are in the newest frame's result only.

        Raises PromptError where no frame of that stamp is buffered.
        """
        return result_of(self._frames.at(stamp), self._current_objects())

    @torch.inference_mode()
    def preview(self, prompt: Prompt, stamp: float | None = None) -> Preview:
        """The mask of a new object of this prompt on its frame; no object is started.

        Raises PromptError like `add`.
        """
        frame = self._frames.at(stamp)
        decoded = self._propagation.preview(check_first_prompt(prompt, frame.size), frame)
        mask, iou = fetch(full_size(decoded.logits, frame.size)[0] > 0, decoded.predicted_iou[0].float())
        return Preview(mask, float(iou))

    @torch.inference_mode()
    def encoded(self, stamp: float | None = None) -> EncodedFrame:
        """A buffered frame's features (None: of the newest). Raises PromptError where no such frame is buffered."""
        frame = self._frames.at(stamp)
        return EncodedFrame(frame.stamp, frame.size, self._propagation.encode(frame))

    @torch.inference_mode()
    def object_masks(self, size: tuple[int, int], stamp: float | None = None) -> np.ndarray:
        """(N, H, W) bool: all objects on a buffered frame (None: the newest), at any `size` (H, W).

        Unlike in a result, the masks of absent objects that may have returned are not empty. Raises PromptError where
        no such frame is buffered.
        """
        return masks_of(self._frames.at(stamp), self.labels, size)

    @property
    def labels(self) -> dict[int, str]:
        """Every object's label by its id, objects with pending prompts included."""
        return {object_.id: object_.label for object_ in self._all_objects()}

    @property
    def covered(self) -> tuple[float, float] | None:
        """Stamps of the oldest and newest buffered frame (seconds)."""
        return self._frames.covered

    @property
    def timings(self) -> dict[str, float]:
        """Seconds of each stage of the last step."""
        return self._stopwatch.seconds

    def drain_events(self) -> tuple[Event, ...]:
        """The events since the last step or call of this."""
        events, self._events = tuple(self._events), []
        return events

    # ---- internals

    def _next_frame(self, image: Tensor, size: tuple[int, int], stamp: float) -> Frame:
        """The next frame, with optical flow from the previous one if it is skipped."""
        newest = self._frames.newest
        frame = Frame(newest.index + 1 if newest else 0, stamp, size, image)
        is_encoded = self._skipping.next_is_encoded()
        if self._skipping.is_enabled:
            with self._stopwatch.time("flow"):
                frame.gray = flow_image(image)
                if newest and newest.gray is not None and not is_encoded:
                    side = self.model.config.image_size // 4
                    frame.flow_grid = flow_grid(newest.gray, frame.gray, side, self.model.device)
        return frame

    def _apply(self, prompt: Prompt, object_: TrackedObject, frame: Frame, reason: str = "") -> None:
        """Apply a prompt to a frame; the object is pending until it has caught up from there."""
        try:
            self._propagation.prompt(object_, prompt, frame)
        except Exception:
            self._propagation.drop(object_)
            raise
        if object_.id not in self._objects:
            reason = "; ".join(filter(None, (reason, cover_warning(prompt.mask))))
            self._events.append(Event(EventKind.STARTED, object_.id, frame.stamp, reason=reason))
        self._pending[object_.id] = object_
        self._finish_if_caught_up(object_)
        if self.config.catch_up_at_once:
            self.catch_up()

    def _finish_if_caught_up(self, object_: TrackedObject) -> None:
        """A pending object that is on the newest frame replaces the one that was tracked meanwhile."""
        newest = self._frames.at(None)
        if object_.newest_frame < newest.index:
            return
        del self._pending[object_.id]
        if replaced := self._objects.get(object_.id):
            self._propagation.drop(replaced)
        self._objects[object_.id] = object_
        self._latest = None
        self._emit_events(object_, newest.stamp, "after a prompt")

    def _drop_pending(self, objects: Sequence[TrackedObject], error: Exception) -> None:
        reason = f"its prompt could not be propagated to the newest frame: {type(error).__name__}: {error}"
        stamp = self._frames.at(None).stamp
        for object_ in objects:
            self._propagation.drop(object_)
            del self._pending[object_.id]
            kind = EventKind.PROMPT_REJECTED if object_.id in self._objects else EventKind.REMOVED
            self._events.append(Event(kind, object_.id, stamp, reason=reason))

    def _catch_up_to(self, frame: Frame) -> None:
        """Propagate pending objects to this frame, which is about to leave the buffer."""
        while any(object_.newest_frame < frame.index for object_ in self._pending.values()):
            self.catch_up(1)

    def _emit_events(self, object_: TrackedObject, stamp: float, reason: str = "") -> None:
        self._events += object_.events.emit(object_.status, stamp, self.config.track_state, reason)

    def _remove_if_expired(self, object_: TrackedObject, stamp: float) -> None:
        """Not while a correction is pending, which may find it."""
        if object_.status.is_expired(stamp, self.config.track_state) and object_.id not in self._pending:
            limit = self.config.track_state.remove_after
            self.remove(object_.id, f"lost: not seen for longer than remove_after ({limit:g} s)")

    def _object(self, track_id: int) -> TrackedObject:
        if not isinstance(track_id, Integral) or isinstance(track_id, bool):
            raise TypeError(f"the object's id is {shown(track_id)}, expected an int that `add` returned")
        object_ = self._objects.get(track_id) or self._pending.get(track_id)
        if object_ is None:
            known = ", ".join(map(str, sorted({*self._objects, *self._pending}))) or "none"
            raise PromptError(f"there is no object {track_id}; the objects are: {known}")
        return object_

    def _current_objects(self) -> list[TrackedObject]:
        """One per id, in order of id; of an object with a pending correction the one without."""
        current = {**self._pending, **self._objects}
        return [current[track_id] for track_id in sorted(current)]

    def _all_objects(self) -> list[TrackedObject]:
        """Including the copies of corrected objects."""
        return [*self._objects.values(), *self._pending.values()]

    def _free_row(self) -> int:
        """A free row of the memory bank; where pending corrections take them all, these catch up first."""
        taken = {object_.row for object_ in self._all_objects()}
        if len(taken) > self.config.max_objects:
            self.catch_up()
            return self._free_row()
        return _first_free(taken, start=0)


def check_arguments(model: Network, config: TrackerConfig | None) -> None:
    """Raises TypeError for arguments of other types."""
    if not isinstance(model, Network):
        raise TypeError(f"model is {shown(model)}, expected what load_model returns")
    if config is not None and not isinstance(config, TrackerConfig):
        raise TypeError(f"config is {shown(config)}, expected a TrackerConfig")


def _first_free(taken: set[int], start: int) -> int:
    return min(set(range(start, start + len(taken) + 1)) - taken)
