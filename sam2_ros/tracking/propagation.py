"""Propagates objects to the next frame: read memory, decode, measure, write memory; all objects in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model import Decoded, ImageFeatures, Network, PromptTensors
from .config import TrackerConfig
from .device import autocast
from .frame_buffer import Frame, ObjectOutput
from .frame_skipping import warp
from .frame_step import Tracked
from .graphed_step import frame_step
from .measurement import Measurement, fetch_measurements, fetch_with_masks, measure
from .memory_bank import BankSize, MemoryBank
from .prompts import Points, mask_tensor
from .stopwatch import Stopwatch
from .track_state import EventEmitter, TrackStatus
from .types import Prompt

_MAX_DENSE_PROMPT = 32.0  # earlier mask logits are clamped to this when they become a dense prompt


@dataclass
class TrackedObject:
    """An object, or the copy of it on which a correction is propagated to the newest frame."""

    id: int
    row: int  # in the memory bank
    mask_value: int
    label: str
    first_frame: int
    newest_frame: int  # the last one that it was tracked or prompted on
    status: TrackStatus
    events: EventEmitter  # shared by an object and its copy
    output: ObjectOutput | None = None  # on the newest frame
    points: Points = Points()  # of its newest prompted frame
    points_frame: int = -1


class Propagation:
    """The network and every object's memory. Outputs are stored on their frames, the status with the object."""

    def __init__(self, model: Network, config: TrackerConfig, stopwatch: Stopwatch) -> None:
        self._model = model
        self._config = config
        self._policy = config.policy
        self._track_motion = config.policy.motion_weight > 0
        self._time = stopwatch.time
        size = BankSize(
            objects=config.max_objects + 1,
            prompted=config.max_prompted,
            history=config.history,
            long_term=self._policy.long_term,
            long_term_slots=self._policy.long_term_slots(config.history),
            recent=config.recent_memories,
            is_pooled=config.memory_pooling > 1,
        )
        self._bank = MemoryBank(model.config, size, model.device, counts_gaps=not self._policy.is_selective)
        self._step = frame_step(model, self._bank, config, stopwatch.time)

    def capture(self) -> Iterator[str]:
        """Capture the CUDA graphs, if any, before the first frame; yields what comes next, for the log."""
        return self._step.capture()

    def encode(self, frame: Frame) -> ImageFeatures:
        """The frame's features, encoded on the first call."""
        return self._step.encode(frame)

    def propagate(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        """Track objects on the next frame, or warp their masks to it where it is skipped."""
        if frame.flow_grid is None:
            self._track(objects, frame)
        else:
            self._warp(objects, frame, frame.flow_grid)

    def check(self, prompt: Prompt, frame: Frame, object_: TrackedObject | None = None) -> None:
        """Raises PromptError where `prompt` would, for an object or a new one (None)."""
        _points(object_, prompt, frame)
        if prompt.mask is not None:
            mask_tensor(prompt.mask, self._model.config.image_size, self._model.device)

    def prompt(self, object_: TrackedObject, prompt: Prompt, frame: Frame) -> None:
        """Apply a prompt to a frame; the memory of later frames is dropped."""
        points = _points(object_, prompt, frame)
        with self._autocast():
            decoded = self._decode_prompt(prompt, points, frame, object_)
            spatial = self._model.write_memory(
                self.encode(frame), decoded.logits, decoded.occlusion_score, binarise=True
            )
        is_first = frame.index == object_.first_frame
        is_prompted = is_first or self._config.corrections_are_prompted or self.is_prompted(object_, frame)
        self._bank.drop_from(object_.row, frame.index)
        group = self._bank.prompted if is_prompted else self._bank.recent
        self._bank.write(group, [object_.row], frame.index, spatial, decoded.pointer)
        object_.points, object_.points_frame = points, frame.index
        earlier = frame.outputs.get(object_.id)
        (measured,) = measure(decoded, compare_candidates=False)
        before = earlier.status_before if earlier else object_.status
        self._store_prompted(object_, frame, decoded.logits[0], measured, before)

    def preview(self, prompt: Prompt, frame: Frame) -> Decoded:
        """The output for a new object of this prompt, which is not started."""
        with self._autocast():
            return self._decode_prompt(prompt, _points(None, prompt, frame), frame, None)

    def catch_up(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        """`propagate` objects to a buffered frame, keeping the outputs of those that were prompted on it."""
        to_track = []
        for object_ in objects:
            if self.is_prompted(object_, frame):
                output = frame.outputs[object_.id]
                self._store_prompted(object_, frame, output.mask_logits, output.measured, object_.status)
            else:
                to_track.append(object_)
        if to_track:
            self.propagate(to_track, frame)

    def is_prompted(self, object_: TrackedObject, frame: Frame) -> bool:
        """Whether the object was prompted on that frame and the memory bank still holds it."""
        return self._bank.is_prompted(object_.row, frame.index)

    def copy(self, object_: TrackedObject, row: int) -> None:
        """Copy the object's memory to another row."""
        self._bank.copy(object_.row, row)

    def drop(self, object_: TrackedObject) -> None:
        """Free the object's row."""
        self._bank.clear(object_.row)

    # ---- one frame

    def _track(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        rows = [object_.row for object_ in objects]
        tracked = self._step.track(frame, rows, [object_.status.predicted_box(frame.stamp) for object_ in objects])
        with self._time("wait"):  # for the device
            measurements, masks = self._measure(tracked, len(objects), frame)
        for object_, mask_logits, measured, mask in zip(objects, tracked.logits, measurements, masks):
            status = object_.status.update(measured, frame.stamp, self._config.track_state, self._track_motion)
            _store(object_, frame, ObjectOutput(mask_logits, measured, object_.status, status), mask)
        with self._time("write_memory"):
            self._write_memory(objects, frame, tracked)

    def _warp(self, objects: Sequence[TrackedObject], frame: Frame, flow_grid: Tensor) -> None:
        outputs = [object_.output for object_ in objects if object_.output]  # each has been prompted
        with self._time("warp"):
            warped = warp(torch.stack([output.mask_logits for output in outputs]), flow_grid)
        for object_, output, mask_logits in zip(objects, outputs, warped):
            status = object_.status
            _store(object_, frame, ObjectOutput(mask_logits, output.measured, status_before=status, status=status))

    def _measure(
        self, tracked: Tracked, count: int, frame: Frame
    ) -> tuple[Sequence[Measurement], Sequence[np.ndarray] | Sequence[None]]:
        """Measurements, and on the newest frame also masks (H, W), which are in its result."""
        table = tracked.measurements[:count]
        if frame.masks is None:
            return fetch_measurements(table), [None] * count
        return fetch_with_masks(table, tracked.logits[:count], frame.size)

    def _write_memory(self, objects: Sequence[TrackedObject], frame: Frame, tracked: Tracked) -> None:
        """Write the memories of a tracked frame that the policy keeps."""
        outputs = [frame.outputs[object_.id] for object_ in objects]
        kept = [i for i, output in enumerate(outputs) if self._policy.keeps(output, frame.stamp)]
        if not kept:
            return
        rows = [objects[i].row for i in kept]
        gaps = [frame.index - self._bank.newest_long_term(row) for row in rows]
        long_term = [n for n, i in enumerate(kept) if self._policy.is_long_term(outputs[i], gaps[n])]
        self._step.write(frame, tracked, kept, rows, long_term)

    # ---- prompts

    def _store_prompted(
        self, object_: TrackedObject, frame: Frame, mask_logits: Tensor, measured: Measurement, before: TrackStatus
    ) -> None:
        status = before.update_from_prompt(measured, frame.stamp, self._track_motion)
        _store(object_, frame, ObjectOutput(mask_logits, measured, before, status))

    def _decode_prompt(self, prompt: Prompt, points: Points, frame: Frame, object_: TrackedObject | None) -> Decoded:
        """The output for a prompt on an object, or on a new one (None)."""
        model, device, features = self._model, self._model.device, self.encode(frame)
        if prompt.mask is not None:
            mask = mask_tensor(prompt.mask, model.config.image_size, device)
            return model.decode_mask_prompt(features, mask)
        if object_ is None or frame.index == object_.first_frame:
            conditioned = model.without_memory(features)
        else:
            conditioned = model.read_memory(features, self._bank.read([object_.row], frame.index))
        earlier = frame.outputs.get(object_.id) if object_ else None
        dense = earlier.mask_logits[None].clamp(-_MAX_DENSE_PROMPT, _MAX_DENSE_PROMPT) if earlier else None
        prompts = PromptTensors(*points.tensors(frame.size, model.config.image_size, device), dense)
        return model.decode(conditioned, features, prompts, multimask=len(points) <= 1)

    def _autocast(self) -> AbstractContextManager[object]:
        return autocast(self._model.device, self._config.precision)


def _points(object_: TrackedObject | None, prompt: Prompt, frame: Frame) -> Points:
    """All points of the object on the frame. Raises PromptError where there are too many."""
    earlier = object_.points if object_ and object_.points_frame == frame.index else Points()
    return earlier.joined(prompt)


def _store(object_: TrackedObject, frame: Frame, output: ObjectOutput, mask: np.ndarray | None = None) -> None:
    """`output` becomes the object's newest, on this frame; `mask` (H, W) bool is that of its logits, where known."""
    object_.output, object_.status, object_.newest_frame = output, output.status, frame.index
    frame.outputs[object_.id] = output
    if frame.masks is None:
        return
    if mask is None:
        frame.masks.pop(object_.id, None)
    else:
        frame.masks[object_.id] = mask
