"""A frame's result from the answers of its objects."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import torch

from .frames import Answer, Frame
from .masks import bounding_box, full_size, paint_labels
from .propagation import TrackedObject
from .transfer import fetch
from .types import FrameResult, Track, TrackState


def result_of(frame: Frame, objects: Iterable[TrackedObject]) -> FrameResult:
    """The tracks of those objects that have been found, or missed, on the frame."""
    known = [object_ for object_ in objects if object_.id in frame.answers]
    shown = {o.mask_value: o.id for o in known if _is_shown(frame.answers[o.id])}
    if not shown:
        return FrameResult(frame.stamp, frame.index, frame.size, _tracks(frame, known, {}))
    masks = _masks(frame, list(shown.values()))
    tracks = _tracks(frame, known, dict(zip(shown, masks)))
    logits = [frame.answers[track_id].logits for track_id in shown.values()]
    draw = partial(paint_labels, masks, list(shown), logits)
    return FrameResult(frame.stamp, frame.index, frame.size, tracks, draw_labels=draw)


def _masks(frame: Frame, track_ids: list[int]) -> list[np.ndarray]:
    """Of the frame's size; those that were not made when the objects were tracked are made now."""
    made = dict(frame.masks or {})
    if missing := [track_id for track_id in track_ids if track_id not in made]:
        logits = torch.stack([frame.answers[track_id].logits for track_id in missing])
        (masks,) = fetch(full_size(logits, frame.size) > 0)
        made.update(zip(missing, masks))
    return [made[track_id] for track_id in track_ids]


def _is_shown(answer: Answer) -> bool:
    """A doubtful mask is none: somebody may want to grasp it."""
    return answer.after.presence.state is TrackState.VISIBLE


def _tracks(frame: Frame, objects: list[TrackedObject], masks: dict[int, np.ndarray]) -> tuple[Track, ...]:
    """`masks` by mask value."""
    nothing = np.zeros(frame.size, bool)
    return tuple(_track(o, frame.answers[o.id], masks.get(o.mask_value, nothing)) for o in objects)


def _track(object_: TrackedObject, answer: Answer, mask: np.ndarray) -> Track:
    return Track(
        id=object_.id,
        mask_value=object_.mask_value,
        label=object_.label,
        state=answer.after.presence.state,
        presence=answer.seen.presence,
        predicted_iou=answer.seen.predicted_iou,
        mask=mask,
        box=bounding_box(mask),
        area=int(np.count_nonzero(mask)),
        last_seen=answer.after.presence.last_seen,
    )
