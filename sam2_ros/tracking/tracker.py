"""The streaming tracker: frames one by one, forever; objects come, are corrected and go at any time.

A frame is encoded once. All objects then read their memories, are decoded and write their memories in one batch; where
the pace leaves frames out they are only moved along on these, which are encoded when a prompt needs it.
The encodings of the last frames are kept, so that a prompt can be applied to the frame that it was made on and be
carried forward to the newest. A correction works on a copy of the object's memory, which takes the place of the
object once it has arrived; until then the object is tracked as before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import torch
from torch import Tensor

from ..model import Network
from .belief import Belief
from .config import TrackerConfig
from .frames import Frame, FrameBuffer
from .in_between import grey_picture, origins
from .masks import full_size
from .pace import Pace
from .preprocess import preprocess
from .presence import Herald, Presence
from .prompts import check_first_prompt, check_prompt
from .propagation import Propagation, TrackedObject
from .results import result_of
from .stopwatch import Stopwatch
from .transfer import fetch
from .types import Event, EventKind, FrameResult, Preview, Prompt, PromptError, TrackState


class StreamingTracker:
    """Follows objects through a stream of frames with a SAM 2 model; not thread-safe."""

    def __init__(self, model: Network, config: TrackerConfig | None = None, stopwatch: Stopwatch | None = None) -> None:
        self.model = model
        self.config = config = config or TrackerConfig()
        self._stopwatch = stopwatch = stopwatch or Stopwatch()
        self._propagation = Propagation(model, config, stopwatch)
        self._pace = Pace(config.encode_every, config.target_fps)
        self._frames = FrameBuffer(config.history, config.stamp_tolerance)
        self._objects: dict[int, TrackedObject] = {}  # tracked on the newest frame
        self._behind: dict[int, TrackedObject] = {}  # on their way there; a corrected one is among `_objects`, too
        self._ids = count(1)
        self._events: list[Event] = []
        self._latest: FrameResult | None = None

    # ---- frames

    def step(self, rgb: np.ndarray, stamp: float) -> FrameResult:
        """Track every object on the next frame, (H, W, 3) uint8 RGB, stamped in seconds.

        Raises ValueError for something that is no image, StampError for a stamp that is not newer than the last
        one; neither changes anything.
        """
        self._frames.check_next(stamp)
        self._stopwatch.restart()
        with self._stopwatch.time("preprocess"):
            image = preprocess(rgb, self.model.config.image_size, self.model.device)
        return self.step_tensor(image, rgb.shape[:2], stamp)

    @torch.inference_mode()
    def step_tensor(self, image: Tensor, size: tuple[int, int], stamp: float) -> FrameResult:
        """`step` for a frame of `size` (H, W) that has been brought to (1, 3, S, S) and normalised already."""
        self._frames.check_next(stamp)
        start = time.perf_counter()
        frame = self._next_frame(image, size, stamp)
        if frame.origins is None:
            self._propagation.encoded(frame)
        if self._objects:
            self._propagation.follow(list(self._objects.values()), frame)
            self._pace.took(time.perf_counter() - start, frame.origins is None)
        if oldest := self._frames.next_to_go:
            self._carry_past(oldest)
        self._frames.append(frame)
        for object_ in list(self._objects.values()):
            self._tell(object_, stamp)
            self._remove_if_gone(object_, stamp)
        with self._stopwatch.time("masks"):
            self._latest = result_of(frame, self._objects.values())
        return replace(self._latest, events=self.drain_events())

    # ---- objects

    @torch.inference_mode()
    def add(self, prompt: Prompt, stamp: float | None = None) -> int:
        """Follow a new object from a buffered frame on (None: the newest); its id.

        Raises PromptError when the prompt or its stamp cannot be used, or there are `max_objects` already.
        """
        frame = self._frames.at(stamp)
        prompt = check_first_prompt(prompt, frame.size)
        self._propagation.check(prompt, frame)
        taken = {object_.mask_value for object_ in self._all_objects()}
        if len(taken) >= self.config.max_objects:
            raise PromptError(f"there are {len(taken)} objects already, as max_objects allows; remove one or raise it")
        track_id, row = next(self._ids), self._free_row()
        object_ = TrackedObject(
            track_id,
            row,
            _first_free(taken, 1),
            prompt.label,
            frame.index,
            frame.index,
            Belief(Presence(frame.stamp)),
            Herald(track_id, frame.stamp),
        )
        self._place(object_, prompt, frame)
        return track_id

    @torch.inference_mode()
    def refine(self, track_id: int, prompt: Prompt, stamp: float | None = None) -> None:
        """Correct an object on a buffered frame (None: the newest), and all frames since.

        Clicks join those that the object was given on that frame, and may all be negative. Raises PromptError like
        `add`, and for an unknown id.
        """
        object_ = self._behind.get(track_id) or self._object(track_id)
        frame = self._frames.at(stamp)
        if frame.index < object_.first_frame:
            raise PromptError(f"object {track_id} starts after the frame of this prompt; add it as a new object")
        prompt = check_prompt(prompt, frame.size)
        self._propagation.check(prompt, frame, object_)
        if track_id in self._behind:
            self.catch_up()
            object_ = self._object(track_id)
        label, row = prompt.label or object_.label, self._free_row()
        self._propagation.copy(object_, row)
        self._place(replace(object_, row=row, label=label), prompt, frame)

    @torch.inference_mode()
    def catch_up(self, frames: int | None = None) -> bool:
        """Carry late prompts forward, by so many buffered frames (None: to the newest); whether there is more to do.

        Where that fails (a full GPU), these prompts are given up: new objects are gone, corrected ones as they were.
        """
        while self._behind and (frames is None or frames > 0):
            start = min(object_.newest_frame for object_ in self._behind.values())
            objects = [object_ for object_ in self._behind.values() if object_.newest_frame == start]
            try:
                self._propagation.carry(objects, self._frames.following(start))
            except Exception:
                self._give_up(objects)
                raise
            for object_ in objects:
                self._arrive(object_)
            frames = None if frames is None else frames - 1
        return bool(self._behind)

    def is_behind(self, track_id: int | None = None) -> bool:
        """Whether a prompt for this object (None: for any) is still being carried forward."""
        return bool(self._behind) if track_id is None else track_id in self._behind

    def remove(self, track_id: int, reason: str = "") -> None:
        """Stop following an object; raises PromptError for an unknown id."""
        last_seen = self._object(track_id).belief.presence.last_seen
        for objects in (self._objects, self._behind):
            if gone := objects.pop(track_id, None):
                self._propagation.forget(gone)
        for frame in self._frames:
            frame.answers.pop(track_id, None)
        self._latest = None
        stamp = self._frames.at(None).stamp
        self._events.append(Event(EventKind.REMOVED, track_id, stamp, max(0.0, stamp - last_seen), reason))

    def reset(self, reason: str = "") -> None:
        """Forget all objects and frames; ids go on, so that none is ever given twice."""
        newest = self._frames.newest
        for object_ in self._all_objects():
            self._propagation.forget(object_)
        self._objects.clear()
        self._behind.clear()
        self._frames.clear()
        self._latest = None
        self._events = [Event(EventKind.RESET, 0, newest.stamp if newest else 0.0, reason=reason)]

    # ---- what is known

    @property
    def latest(self) -> FrameResult | None:
        """The newest frame's result, including what was added, corrected or removed since it was tracked."""
        if self._latest is None and self._frames.newest:
            self._latest = result_of(self._frames.newest, self._known())
        return self._latest

    @torch.inference_mode()
    def result_at(self, stamp: float) -> FrameResult:
        """The tracks of a buffered frame, as they are known by now; events are told with the newest frame only.

        Raises PromptError for a stamp that no prompt could have either.
        """
        return result_of(self._frames.at(stamp), self._known())

    @torch.inference_mode()
    def preview(self, prompt: Prompt, stamp: float | None = None) -> Preview:
        """What a new object of this prompt would be on its frame. Nothing is followed.

        Raises PromptError like `add`.
        """
        frame = self._frames.at(stamp)
        decoded = self._propagation.preview(check_first_prompt(prompt, frame.size), frame)
        mask, iou = fetch(full_size(decoded.logits, frame.size)[0] > 0, decoded.predicted_iou[0].float())
        return Preview(mask, float(iou))

    @property
    def labels(self) -> dict[int, str]:
        """Every object's label by its id; those are included that a late prompt has yet to carry forward."""
        return {object_.id: object_.label for object_ in self._all_objects()}

    @property
    def covered(self) -> tuple[float, float] | None:
        """Stamps of the oldest and newest frame that prompts can be applied to (seconds)."""
        return self._frames.covered

    @property
    def timings(self) -> dict[str, float]:
        """Seconds of each stage of the last step."""
        return self._stopwatch.seconds

    def drain_events(self) -> tuple[Event, ...]:
        """The events since the last step or call of this."""
        events, self._events = tuple(self._events), []
        return events

    def _next_frame(self, image: Tensor, size: tuple[int, int], stamp: float) -> Frame:
        """With what it takes to move objects onto it, unless that frame's turn is to be encoded."""
        newest = self._frames.newest
        frame = Frame(newest.index + 1 if newest else 0, stamp, size, image=image)
        is_due = self._pace.is_due()
        if self._pace.saves:
            with self._stopwatch.time("flow"):
                frame.grey = grey_picture(image)
                if newest and newest.grey is not None and not is_due:
                    side = self.model.config.image_size // 4
                    frame.origins = origins(newest.grey, frame.grey, side, self.model.device)
        return frame

    # ---- one object

    def _place(self, object_: TrackedObject, prompt: Prompt, frame: Frame) -> None:
        """Apply a prompt to a frame, and carry the object forward from there."""
        try:
            self._propagation.prompt(object_, prompt, frame)
        except Exception:
            self._propagation.forget(object_)
            raise
        if object_.id not in self._objects:
            self._events.append(Event(EventKind.STARTED, object_.id, frame.stamp))
        self._behind[object_.id] = object_
        self._arrive(object_)
        if self.config.catch_up_at_once:
            self.catch_up()

    def _arrive(self, object_: TrackedObject) -> None:
        """Where the object is tracked on the newest frame, it is one of all again."""
        newest = self._frames.at(None)
        if object_.newest_frame < newest.index:
            return
        del self._behind[object_.id]
        if earlier := self._objects.get(object_.id):
            self._propagation.forget(earlier)
        self._objects[object_.id] = object_
        self._latest = None
        self._tell(object_, newest.stamp, "after a prompt")

    def _give_up(self, objects: Sequence[TrackedObject]) -> None:
        for object_ in objects:
            self._propagation.forget(object_)
            del self._behind[object_.id]

    def _carry_past(self, frame: Frame) -> None:
        """Before a frame is forgotten: what still stands on an earlier one has to be tracked on it now."""
        while any(object_.newest_frame < frame.index for object_ in self._behind.values()):
            self.catch_up(1)

    def _tell(self, object_: TrackedObject, stamp: float, reason: str = "") -> None:
        self._events += object_.herald.news(object_.belief.presence, stamp, self.config.presence, reason)

    def _remove_if_gone(self, object_: TrackedObject, stamp: float) -> None:
        """Unless a correction is on its way that may find it."""
        limit = self.config.presence.remove_after
        presence = object_.belief.presence
        is_gone = presence.state is TrackState.LOST and stamp - presence.last_seen > limit > 0
        if is_gone and object_.id not in self._behind:
            self.remove(object_.id, f"lost: not seen for longer than remove_after ({limit:g} s)")

    def _object(self, track_id: int) -> TrackedObject:
        object_ = self._objects.get(track_id) or self._behind.get(track_id)
        if object_ is None:
            known = ", ".join(map(str, sorted({*self._objects, *self._behind}))) or "none"
            raise PromptError(f"there is no object {track_id}; the objects are: {known}")
        return object_

    def _known(self) -> list[TrackedObject]:
        """In order of id."""
        known = {**self._behind, **self._objects}
        return [known[track_id] for track_id in sorted(known)]

    def _all_objects(self) -> list[TrackedObject]:
        """Copies that carry corrections included."""
        return [*self._objects.values(), *self._behind.values()]

    def _free_row(self) -> int:
        """A row of the memory bank; where corrections hold them all, they are brought to their end first."""
        taken = {object_.row for object_ in self._all_objects()}
        if len(taken) > self.config.max_objects:
            self.catch_up()
            return self._free_row()
        return _first_free(taken, 0)


def _first_free(taken: set[int], first: int) -> int:
    return min(set(range(first, first + len(taken) + 1)) - taken)
