"""The streaming tracker: frames one by one, forever; objects come, are corrected and go at any time.

A frame is encoded once. All objects then read their memories, are decoded and write their memories in one batch.
The encodings of the last frames are kept, so that a prompt can be applied to the frame that it was made on and be
carried forward to the newest. A correction works on a copy of the object's memory, which takes the place of the
object once it has arrived; until then the object is tracked as before.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..model import Decoded, ImageFeatures, PromptTensors, Sam2
from .masks import bounding_box, full_size, paint_labels
from .memory_bank import BankSize, MemoryBank
from .preprocess import preprocess
from .presence import PresenceMonitor
from .prompts import Points, check_prompt, mask_tensor
from .types import Event, EventKind, FrameResult, Prompt, PromptError, StampError, Track, TrackState

_FED_BACK_LIMIT = 32.0  # logits; what a correction sees of the answer that it corrects
_MAX_OBJECTS = 254  # values of a label image
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class TrackerConfig:
    """Bounds and choices; memory grows with each of the first three, and with nothing else."""

    max_objects: int = 16
    max_prompted: int = 4  # prompted frames that are remembered of each object
    history: int = 16  # frames on which a prompt can still be applied
    lost_after: float = 1.0  # seconds of absence from which an object counts as lost
    stamp_tolerance: float = 0.0  # seconds by which a prompt may miss the frame that it is applied to
    # The reference does not remember a correction as a prompted frame, though its training does.
    corrections_are_prompted: bool = True
    # A late prompt is carried forward at once, or by calls of `catch_up`, between which other frames can be tracked.
    catch_up_at_once: bool = True
    precision: str = "float32"

    def __post_init__(self) -> None:
        if not 1 <= self.max_objects <= _MAX_OBJECTS:
            raise ValueError(f"max_objects is {self.max_objects}, expected 1..{_MAX_OBJECTS}")
        if self.max_prompted < 1 or self.history < 1:
            raise ValueError(f"max_prompted {self.max_prompted}, history {self.history}: expected at least 1")
        if self.lost_after < 0 or self.stamp_tolerance < 0:
            raise ValueError("lost_after and stamp_tolerance are durations in seconds, expected at least 0")
        if self.precision not in _PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, expected one of {', '.join(_PRECISIONS)}")


class _Answer(NamedTuple):
    """What the network said of one object on one frame."""

    logits: Tensor  # (1, S / 4, S / 4)
    predicted_iou: Tensor  # ()
    occlusion_score: Tensor  # ()
    state: TrackState
    last_seen: float  # seconds


@dataclass(frozen=True)
class _Frame:
    """A frame that prompts can still be applied to."""

    index: int
    stamp: float
    size: tuple[int, int]
    features: ImageFeatures
    answers: dict[int, _Answer] = field(default_factory=dict)  # by track id


@dataclass
class _Object:
    """An object that is being followed; `row` is its place in the memory bank."""

    id: int
    row: int
    mask_value: int
    label: str
    first_frame: int
    presence: PresenceMonitor
    newest_frame: int  # the last one on which it was tracked
    points: Points = Points()  # of its newest prompted frame
    points_frame: int = -1


class StreamingTracker:
    """Follows objects through a stream of frames with a SAM 2 model; not thread-safe."""

    def __init__(self, model: Sam2, config: TrackerConfig = TrackerConfig()) -> None:
        self.model = model
        self.config = config
        self.timings: dict[str, float] = {}  # seconds of each stage of the last step
        size = BankSize(config.max_objects + 1, config.max_prompted, config.history)  # one for a correction on its way
        self._bank = MemoryBank(model.config, size, model.device)
        self._frames: deque[_Frame] = deque(maxlen=config.history)
        self._objects: dict[int, _Object] = {}  # tracked on the newest frame
        self._behind: dict[int, _Object] = {}  # on their way there; a corrected one is among `_objects`, too
        self._ids = count(1)
        self._events: list[Event] = []
        self._latest: FrameResult | None = None

    # ---- frames

    def step(self, rgb: np.ndarray, stamp: float) -> FrameResult:
        """Track every object on the next frame, (H, W, 3) uint8 RGB, stamped in seconds.

        Raises ValueError for something that is no image, StampError for a stamp that is not newer than the last
        one; neither changes anything.
        """
        self._check_stamp(stamp)
        self.timings = {}
        with self._timed("preprocess"):
            image = preprocess(rgb, self.model.config.image_size, self.model.device)
        return self.step_tensor(image, rgb.shape[:2], stamp)

    @torch.inference_mode()
    def step_tensor(self, image: Tensor, size: tuple[int, int], stamp: float) -> FrameResult:
        """`step` for a frame of `size` (H, W) that has been brought to (1, 3, S, S) and normalised already."""
        self._check_stamp(stamp)
        with self._timed("encode"), self._autocast():
            features = self.model.encode_image(image)
        index = self._frames[-1].index + 1 if self._frames else 0
        frame = _Frame(index, stamp, size, features)
        if self._objects:
            self._track(list(self._objects.values()), frame)
        if len(self._frames) == self.config.history:
            self._carry_past(self._frames[0])
        self._frames.append(frame)
        with self._timed("masks"):
            self._latest = self._result(frame)
        return replace(self._latest, events=self.drain_events())

    # ---- objects

    def add(self, prompt: Prompt, stamp: float | None = None) -> int:
        """Follow a new object from a buffered frame on (None: the newest); its id.

        Raises PromptError when the prompt or its stamp cannot be used, or there are `max_objects` already.
        """
        frame = self._frame_at(stamp)
        prompt = check_prompt(prompt, frame.size)
        taken = {object_.mask_value for object_ in self._all_objects()}
        if len(taken) >= self.config.max_objects:
            raise PromptError(f"there are {len(taken)} objects already, as max_objects allows; remove one or raise it")
        value = min(set(range(1, len(taken) + 2)) - taken)
        monitor = PresenceMonitor(next(self._ids), self.config.lost_after, frame.stamp)
        row = self._free_row()
        object_ = _Object(monitor.track_id, row, value, prompt.label, frame.index, monitor, frame.index)
        self._place(object_, prompt, frame)
        return object_.id

    def refine(self, track_id: int, prompt: Prompt, stamp: float | None = None) -> None:
        """Correct an object on a buffered frame (None: the newest), and all frames since.

        Clicks join those that the object was given on that frame. Raises PromptError like `add`, and for an
        unknown id.
        """
        if track_id in self._behind:
            self.catch_up()
        object_ = self._object(track_id)
        frame = self._frame_at(stamp)
        if frame.index < object_.first_frame:
            raise PromptError(f"object {track_id} starts after the frame of this prompt; add it as a new object")
        prompt = check_prompt(prompt, frame.size)
        label, row = prompt.label or object_.label, self._free_row()
        self._bank.copy(object_.row, row)
        self._place(replace(object_, row=row, label=label, presence=replace(object_.presence)), prompt, frame)

    def catch_up(self, frames: int | None = None) -> bool:
        """Carry late prompts forward, by so many buffered frames (None: to the newest); whether there is more to do.

        Where that fails (a full GPU), these prompts are given up: new objects are gone, corrected ones as they were.
        """
        while self._behind and (frames is None or frames > 0):
            start = min(object_.newest_frame for object_ in self._behind.values())
            objects = [object_ for object_ in self._behind.values() if object_.newest_frame == start]
            frame = next(frame for frame in self._frames if frame.index > start)
            to_track = [object_ for object_ in objects if not self._bank.is_prompted(object_.row, frame.index)]
            try:
                if to_track:
                    self._track(to_track, frame)
            except Exception:
                self._give_up(objects)
                raise
            for object_ in objects:
                object_.newest_frame = frame.index
                self._arrive(object_)
            frames = None if frames is None else frames - 1
        return bool(self._behind)

    def is_behind(self, track_id: int | None = None) -> bool:
        """Whether a prompt for this object (None: for any) is still being carried forward."""
        return bool(self._behind) if track_id is None else track_id in self._behind

    def remove(self, track_id: int, reason: str = "") -> None:
        """Stop following an object; raises PromptError for an unknown id."""
        object_ = self._object(track_id)
        for objects in (self._objects, self._behind):
            if gone := objects.pop(track_id, None):
                self._bank.clear(gone.row)
        for frame in self._frames:
            frame.answers.pop(track_id, None)
        self._latest = None
        absence = self._frames[-1].stamp - object_.presence.last_seen
        self._events.append(Event(EventKind.REMOVED, track_id, self._frames[-1].stamp, max(0.0, absence), reason))

    def reset(self, reason: str = "") -> None:
        """Forget all objects and frames; ids go on, so that none is ever given twice."""
        stamp = self._frames[-1].stamp if self._frames else 0.0
        for object_ in self._all_objects():
            self._bank.clear(object_.row)
        self._objects.clear()
        self._behind.clear()
        self._frames.clear()
        self._latest = None
        self._events = [Event(EventKind.RESET, 0, stamp, reason=reason)]

    # ---- what is known

    @property
    def latest(self) -> FrameResult | None:
        """The newest frame's result, including what was added, corrected or removed since it was tracked."""
        if self._latest is None and self._frames:
            self._latest = self._result(self._frames[-1])
        return self._latest

    @torch.inference_mode()
    def result_at(self, stamp: float) -> FrameResult:
        """The tracks of a buffered frame, as they are known by now; events are told with the newest frame only.

        Raises PromptError for a stamp that no prompt could have either.
        """
        return self._result(self._frame_at(stamp))

    @torch.inference_mode()
    def preview(self, prompt: Prompt, stamp: float | None = None) -> np.ndarray:
        """(H, W) bool: what a new object of this prompt would be on its frame. Nothing is followed.

        Raises PromptError like `add`.
        """
        frame = self._frame_at(stamp)
        prompt = check_prompt(prompt, frame.size)
        monitor = PresenceMonitor(0, self.config.lost_after, frame.stamp)
        stranger = _Object(0, 0, 0, prompt.label, frame.index, monitor, frame.index)
        with self._autocast():
            decoded = self._decode_prompt(stranger, prompt, Points().joined(prompt), frame)
        return (full_size(decoded.logits, frame.size)[0] > 0).cpu().numpy()

    @property
    def labels(self) -> dict[int, str]:
        """Every object's label by its id; those are included that a late prompt has yet to carry forward."""
        return {object_.id: object_.label for object_ in self._all_objects()}

    @property
    def covered(self) -> tuple[float, float] | None:
        """Stamps of the oldest and newest frame that prompts can be applied to (seconds)."""
        return (self._frames[0].stamp, self._frames[-1].stamp) if self._frames else None

    def drain_events(self) -> tuple[Event, ...]:
        """The events since the last step or call of this."""
        events, self._events = tuple(self._events), []
        return events

    # ---- one frame

    def _track(self, objects: Sequence[_Object], frame: _Frame) -> None:
        """Find objects on a frame by what is remembered of them, and remember what was found."""
        rows = [object_.row for object_ in objects]
        with self._timed("read_memory"), self._autocast():
            memory = self._bank.read(rows, frame.index)
            conditioned = self.model.read_memory(frame.features, memory)
        with self._timed("decode"), self._autocast():
            decoded = self.model.decode(conditioned, frame.features, None, multimask=True)
        with self._timed("write_memory"), self._autocast():
            spatial = self._memory(frame, decoded, binarise=False)
            self._bank.write(rows, frame.index, spatial, decoded.pointer)
        self._note(objects, frame, decoded)

    def _place(self, object_: _Object, prompt: Prompt, frame: _Frame) -> None:
        """Apply a prompt to a frame, and carry the object forward from there."""
        try:
            self._prompt(object_, prompt, frame)
        except Exception:
            self._bank.clear(object_.row)
            raise
        object_.newest_frame = frame.index
        self._behind[object_.id] = object_
        self._arrive(object_)
        if self.config.catch_up_at_once:
            self.catch_up()

    def _arrive(self, object_: _Object) -> None:
        """Where the object is tracked on the newest frame, it is one of all again."""
        if object_.newest_frame < self._frames[-1].index:
            return
        del self._behind[object_.id]
        if earlier := self._objects.get(object_.id):
            self._bank.clear(earlier.row)
            if event := object_.presence.change_since(earlier.presence, self._frames[-1].stamp):
                self._events.append(event)
        self._objects[object_.id] = object_
        self._latest = None

    def _give_up(self, objects: Sequence[_Object]) -> None:
        for object_ in objects:
            self._bank.clear(object_.row)
            del self._behind[object_.id]

    def _carry_past(self, frame: _Frame) -> None:
        """Before a frame is forgotten: what still stands on an earlier one has to be tracked on it now."""
        while any(object_.newest_frame < frame.index for object_ in self._behind.values()):
            self.catch_up(1)

    @torch.inference_mode()
    def _prompt(self, object_: _Object, prompt: Prompt, frame: _Frame) -> None:
        starts = frame.index == object_.first_frame
        points = (object_.points if object_.points_frame == frame.index else Points()).joined(prompt)
        with self._autocast():
            decoded = self._decode_prompt(object_, prompt, points, frame)
            spatial = self._memory(frame, decoded, binarise=True)
        self._bank.forget_from(object_.row, frame.index)
        if starts or self.config.corrections_are_prompted or self._bank.is_prompted(object_.row, frame.index):
            self._bank.write_prompted(object_.row, frame.index, spatial, decoded.pointer)
        else:
            self._bank.write([object_.row], frame.index, spatial, decoded.pointer)
        if object_.points_frame < 0:
            self._events.append(Event(EventKind.STARTED, object_.id, frame.stamp))
        object_.points, object_.points_frame = points, frame.index
        self._note([object_], frame, decoded)

    def _decode_prompt(self, object_: _Object, prompt: Prompt, points: Points, frame: _Frame) -> Decoded:
        model, device = self.model, self.model.device
        if prompt.mask is not None:
            mask = mask_tensor(prompt.mask, model.config.image_size, device)
            return model.decode_mask_prompt(frame.features, mask)
        if frame.index == object_.first_frame:
            conditioned = model.without_memory(frame.features)
        else:
            conditioned = model.read_memory(frame.features, self._bank.read([object_.row], frame.index))
        earlier = frame.answers.get(object_.id)
        fed_back = earlier.logits[None].clamp(-_FED_BACK_LIMIT, _FED_BACK_LIMIT) if earlier else None
        prompts = PromptTensors(*points.tensors(frame.size, model.config.image_size, device), fed_back)
        return model.decode(conditioned, frame.features, prompts, multimask=len(points) <= 1)

    def _memory(self, frame: _Frame, decoded: Decoded, binarise: bool) -> Tensor:
        return self.model.write_memory(frame.features, decoded.logits, decoded.occlusion_score, binarise)

    def _note(self, objects: Sequence[_Object], frame: _Frame, decoded: Decoded) -> None:
        """Keep the answers of a frame, and follow the objects' presence."""
        with self._timed("wait"):  # for the device
            visible = (decoded.logits > 0).flatten(1).any(dim=1).tolist()  # nowhere if the object is absent
        for i, object_ in enumerate(objects):
            event = object_.presence.update(visible[i], frame.stamp)
            if event and self._objects.get(object_.id, object_) is object_:  # else it is told when the copy arrives
                self._events.append(event)
            frame.answers[object_.id] = _Answer(
                decoded.logits[i],
                decoded.predicted_iou[i],
                decoded.occlusion_score[i, 0],
                object_.presence.state,
                object_.presence.last_seen,
            )

    def _result(self, frame: _Frame) -> FrameResult:
        known = {**self._behind, **self._objects}
        objects = [known[track_id] for track_id in sorted(known) if track_id in frame.answers]
        if not objects:
            return FrameResult(frame.stamp, frame.index, frame.size)
        answers = [frame.answers[object_.id] for object_ in objects]
        logits = torch.stack([answer.logits for answer in answers])
        masks = list((full_size(logits, frame.size) > 0).cpu().numpy())
        scores = torch.stack([torch.stack((a.occlusion_score, a.predicted_iou)).float() for a in answers])
        presence = torch.stack((scores[:, 0].sigmoid(), scores[:, 1]), dim=1).tolist()
        tracks = tuple(_as_track(*found) for found in zip(objects, answers, masks, presence))
        draw = partial(paint_labels, masks, [object_.mask_value for object_ in objects], logits)
        return FrameResult(frame.stamp, frame.index, frame.size, tracks, draw_labels=draw)

    # ---- small things

    def _check_stamp(self, stamp: float) -> None:
        if not math.isfinite(stamp):
            raise StampError(f"stamp is {stamp}, expected seconds")
        if self._frames and stamp <= self._frames[-1].stamp:
            raise StampError(
                f"frame is stamped {stamp:.6f} s, the one before it {self._frames[-1].stamp:.6f} s; frames must come "
                "in order, reset the tracker to start again from an earlier time"
            )

    def _frame_at(self, stamp: float | None) -> _Frame:
        """The buffered frame that is meant by a stamp."""
        if not self._frames:
            raise PromptError("there is no frame to apply the prompt to yet; give the tracker a frame first")
        if stamp is None:
            return self._frames[-1]
        nearest = min(self._frames, key=lambda frame: abs(frame.stamp - stamp))
        if not abs(nearest.stamp - stamp) <= self.config.stamp_tolerance:
            oldest, newest = self._frames[0].stamp, self._frames[-1].stamp
            raise PromptError(
                f"no buffered frame is stamped {stamp:.6f} s (within {self.config.stamp_tolerance:g} s); the "
                f"{len(self._frames)} buffered ones cover {oldest:.6f} to {newest:.6f} s; stamp the prompt like its "
                "image, or raise history"
            )
        return nearest

    def _object(self, track_id: int) -> _Object:
        object_ = self._objects.get(track_id) or self._behind.get(track_id)
        if object_ is None:
            known = ", ".join(map(str, sorted({*self._objects, *self._behind}))) or "none"
            raise PromptError(f"there is no object {track_id}; the objects are: {known}")
        return object_

    def _all_objects(self) -> list[_Object]:
        return [*self._objects.values(), *self._behind.values()]

    def _free_row(self) -> int:
        """A row of the memory bank; where corrections hold them all, they are brought to their end first."""
        taken = {object_.row for object_ in self._all_objects()}
        if len(taken) > self.config.max_objects:
            self.catch_up()
            return self._free_row()
        return min(set(range(len(taken) + 1)) - taken)

    def _autocast(self) -> torch.autocast:
        dtype = _PRECISIONS[self.config.precision]
        return torch.autocast(self.model.device.type, dtype, enabled=dtype is not torch.float32)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings[stage] = self.timings.get(stage, 0.0) + time.perf_counter() - start


def _as_track(object_: _Object, answer: _Answer, mask: np.ndarray, scores: Sequence[float]) -> Track:
    presence, predicted_iou = scores
    return Track(
        id=object_.id,
        mask_value=object_.mask_value,
        label=object_.label,
        state=answer.state,
        presence=presence,
        predicted_iou=predicted_iou,
        mask=mask,
        box=bounding_box(mask),
        area=int(np.count_nonzero(mask)),
        last_seen=answer.last_seen,
    )
