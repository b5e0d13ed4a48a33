"""How objects get from frame to frame: what is remembered of them is read, the network answers, memory is written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model import Decoded, ImageFeatures, Network, PromptTensors
from .belief import Belief
from .config import TrackerConfig
from .device import autocast
from .frames import Answer, Frame
from .in_between import move
from .memory_bank import BankSize, MemoryBank
from .observation import Observation, observe, observe_masks
from .presence import Herald
from .prompts import Points, mask_tensor
from .stopwatch import Stopwatch
from .transfer import upload
from .types import Prompt

_FED_BACK_LIMIT = 32.0  # logits; what a correction sees of the answer that it corrects


@dataclass
class TrackedObject:
    """An object that is being followed, or a copy of it that a correction is being carried forward on."""

    id: int
    row: int  # its place in the memory bank
    mask_value: int
    label: str
    first_frame: int
    newest_frame: int  # the last one that it was tracked or prompted on
    belief: Belief
    herald: Herald  # an object and its copy have the same one
    answer: Answer | None = None  # on the newest frame
    points: Points = Points()  # of its newest prompted frame
    points_frame: int = -1


class Propagation:
    """The network with its memory of all objects. Answers are left on their frames, beliefs with their objects."""

    def __init__(self, model: Network, config: TrackerConfig, stopwatch: Stopwatch) -> None:
        self._model = model
        self._config = config
        self._policy = config.policy
        self._follows_motion = config.policy.motion_weight > 0
        self._time = stopwatch.time
        size = BankSize(
            objects=config.max_objects + 1,
            prompted=config.max_prompted,
            history=config.history,
            anchors=self._policy.anchors,
            anchor_slots=self._policy.anchor_slots(config.history),
            recent=config.recent_memories,
            is_pooled=config.memory_pooling > 1,
        )
        self._bank = MemoryBank(model.config, size, model.device, counts_gaps=not self._policy.is_selective)

    def encoded(self, frame: Frame) -> ImageFeatures:
        """The frame's features; it is encoded now if it was not yet."""
        if frame.features is None:
            assert frame.image is not None  # what is not encoded keeps its image
            with self._time("encode"), self._autocast():
                frame.features = self._model.encode_image(frame.image)
            frame.image = None
        return frame.features

    def follow(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        """`track` objects, or only move their masks where the frame lies in between."""
        if frame.origins is None:
            self.track(objects, frame)
            return
        answers = [object_.answer for object_ in objects if object_.answer]  # all of them have been prompted
        with self._time("move"):
            moved = move(torch.stack([answer.logits for answer in answers]), frame.origins)
        for object_, answer, logits in zip(objects, answers, moved):
            _note(object_, frame, Answer(logits, answer.seen, object_.belief, object_.belief))

    def track(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        """Find objects on a frame by what is remembered of them, and remember what was found."""
        with self._time("read_memory"), self._autocast():
            memory = self._bank.read([object_.row for object_ in objects], frame.index)
            conditioned = self._model.read_memory(self.encoded(frame), memory)
        with self._time("decode"), self._autocast():
            expected = [object_.belief.expected(frame.stamp) for object_ in objects]
            decoded = self._model.decode(
                conditioned,
                self.encoded(frame),
                None,
                multimask=True,
                choose=lambda candidates: self._policy.choose(candidates, expected),
            )
        with self._time("wait"):  # for the device
            masks: list[np.ndarray] = []
            if frame.masks is None:
                observations = observe(decoded, self._policy.anchors > 0)
            else:
                observations, masks = observe_masks(decoded, self._policy.anchors > 0, frame.size)
        for i, (object_, seen) in enumerate(zip(objects, observations)):
            after = object_.belief.after(seen, frame.stamp, self._config.presence, self._follows_motion)
            _note(object_, frame, Answer(decoded.logits[i], seen, object_.belief, after))
        if frame.masks is not None:
            frame.masks.update((object_.id, mask) for object_, mask in zip(objects, masks))
        with self._time("write_memory"), self._autocast():
            self._remember(objects, frame, decoded)

    def check(self, prompt: Prompt, frame: Frame, object_: TrackedObject | None = None) -> None:
        """Raises PromptError where `prompt` would, for an object or a new one (None)."""
        _points(object_, prompt, frame)
        if prompt.mask is not None:
            mask_tensor(prompt.mask, self._model.config.image_size, self._model.device)

    def prompt(self, object_: TrackedObject, prompt: Prompt, frame: Frame) -> None:
        """Apply a prompt to a frame; what was remembered of later frames is forgotten."""
        points = _points(object_, prompt, frame)
        with self._autocast():
            decoded = self._decode_prompt(prompt, points, frame, object_)
            spatial = self._model.write_memory(
                self.encoded(frame), decoded.logits, decoded.occlusion_score, binarise=True
            )
        starts = frame.index == object_.first_frame
        is_prompted = starts or self._config.corrections_are_prompted or self.is_prompted(object_, frame)
        self._bank.forget_from(object_.row, frame.index)
        write = self._bank.write_prompted if is_prompted else self._bank.write
        write([object_.row], frame.index, spatial, decoded.pointer)
        object_.points, object_.points_frame = points, frame.index
        earlier = frame.answers.get(object_.id)
        (seen,) = observe(decoded, False)
        self._trust(object_, frame, decoded.logits[0], seen, earlier.before if earlier else object_.belief)

    def preview(self, prompt: Prompt, frame: Frame) -> Decoded:
        """What a new object of this prompt would be."""
        with self._autocast():
            return self._decode_prompt(prompt, _points(None, prompt, frame), frame, None)

    def carry(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        """`follow` objects on a buffered frame, but leave the frame as it is for those that were prompted on it."""
        to_track = []
        for object_ in objects:
            if self.is_prompted(object_, frame):
                answer = frame.answers[object_.id]
                self._trust(object_, frame, answer.logits, answer.seen, object_.belief)
            else:
                to_track.append(object_)
        if to_track:
            self.follow(to_track, frame)

    def is_prompted(self, object_: TrackedObject, frame: Frame) -> bool:
        """Whether the object was prompted on that frame, and the frame is still remembered."""
        return self._bank.is_prompted(object_.row, frame.index)

    def copy(self, object_: TrackedObject, row: int) -> None:
        """Remember in a row what is remembered of the object."""
        self._bank.copy(object_.row, row)

    def forget(self, object_: TrackedObject) -> None:
        """Free the object's place."""
        self._bank.clear(object_.row)

    def _trust(self, object_: TrackedObject, frame: Frame, logits: Tensor, seen: Observation, before: Belief) -> None:
        after = before.prompted(seen, frame.stamp, self._follows_motion)
        _note(object_, frame, Answer(logits, seen, before, after))

    def _remember(self, objects: Sequence[TrackedObject], frame: Frame, decoded: Decoded) -> None:
        """What the policy allows of a tracked frame."""
        answers = [frame.answers[object_.id] for object_ in objects]
        kept = [i for i, answer in enumerate(answers) if self._policy.remembers(answer, frame.stamp)]
        if not kept:
            return
        logits, scores, pointers = decoded.logits, decoded.occlusion_score, decoded.pointer
        if len(kept) < len(objects):
            chosen = self._index(kept)
            logits, scores, pointers = logits[chosen], scores[chosen], pointers[chosen]
        spatial = self._model.write_memory(self.encoded(frame), logits, scores, binarise=False)
        rows = [objects[i].row for i in kept]
        self._bank.write(rows, frame.index, spatial, pointers)
        gaps = [frame.index - self._bank.newest_anchor(row) for row in rows]
        anchors = [n for n, i in enumerate(kept) if self._policy.is_anchor(answers[i], gaps[n])]
        if anchors:
            chosen = self._index(anchors)
            self._bank.write_anchors([rows[n] for n in anchors], frame.index, spatial[chosen], pointers[chosen])

    def _decode_prompt(self, prompt: Prompt, points: Points, frame: Frame, object_: TrackedObject | None) -> Decoded:
        """The answer to a prompt for an object, or for one that is not known (None)."""
        model, device, features = self._model, self._model.device, self.encoded(frame)
        if prompt.mask is not None:
            mask = mask_tensor(prompt.mask, model.config.image_size, device)
            return model.decode_mask_prompt(features, mask)
        if object_ is None or frame.index == object_.first_frame:
            conditioned = model.without_memory(features)
        else:
            conditioned = model.read_memory(features, self._bank.read([object_.row], frame.index))
        earlier = frame.answers.get(object_.id) if object_ else None
        fed_back = earlier.logits[None].clamp(-_FED_BACK_LIMIT, _FED_BACK_LIMIT) if earlier else None
        prompts = PromptTensors(*points.tensors(frame.size, model.config.image_size, device), fed_back)
        return model.decode(conditioned, features, prompts, multimask=len(points) <= 1)

    def _index(self, numbers: Sequence[int]) -> Tensor:
        return upload(np.array(numbers), self._model.device)

    def _autocast(self) -> AbstractContextManager[object]:
        return autocast(self._model.device, self._config.precision)


def _points(object_: TrackedObject | None, prompt: Prompt, frame: Frame) -> Points:
    """All that the object has been given on the frame. Raises PromptError where these are too many."""
    earlier = object_.points if object_ and object_.points_frame == frame.index else Points()
    return earlier.joined(prompt)


def _note(object_: TrackedObject, frame: Frame, answer: Answer) -> None:
    """The frame is the object's newest, and this the answer to it."""
    object_.answer, object_.belief, object_.newest_frame = answer, answer.after, frame.index
    frame.answers[object_.id] = answer
    if frame.masks is not None:
        frame.masks.pop(object_.id, None)
