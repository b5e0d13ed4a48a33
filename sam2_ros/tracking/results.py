"""A frame's result from the outputs of its objects."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import torch

from .frame_buffer import Frame, ObjectOutput
from .geometry import bounding_box, full_size, label_image
from .propagation import TrackedObject
from .transfer import fetch
from .types import FrameResult, Track, TrackState


def result_of(frame: Frame, objects: Iterable[TrackedObject]) -> FrameResult:
    """The tracks of the objects that have an output on the frame."""
    tracked = [object_ for object_ in objects if object_.id in frame.outputs]
    visible = {o.mask_value: o.id for o in tracked if _is_visible(frame.outputs[o.id])}
    if not visible:
        return FrameResult(frame.stamp, frame.index, frame.size, _tracks(frame, tracked, {}))
    masks = _masks(frame, list(visible.values()))
    tracks = _tracks(frame, tracked, dict(zip(visible, masks)))
    logits = [frame.outputs[track_id].mask_logits for track_id in visible.values()]
    paint = partial(label_image, masks, list(visible), logits)
    return FrameResult(frame.stamp, frame.index, frame.size, tracks, draw_labels=paint)


def masks_of(frame: Frame, track_ids: Iterable[int], size: tuple[int, int]) -> np.ndarray:
    """(N, H, W) bool: the masks on the frame, scaled to `size` (H, W), also of objects that are not confirmed."""
    logits = [frame.outputs[track_id].mask_logits for track_id in track_ids if track_id in frame.outputs]
    if not logits:
        return np.zeros((0, *size), bool)
    (masks,) = fetch(full_size(torch.stack(logits), size) > 0)
    return masks


def _masks(frame: Frame, track_ids: list[int]) -> list[np.ndarray]:
    """(H, W) bool each; those that were not computed when the objects were tracked are computed now."""
    known = dict(frame.masks or {})
    if missing := [track_id for track_id in track_ids if track_id not in known]:
        logits = torch.stack([frame.outputs[track_id].mask_logits for track_id in missing])
        (masks,) = fetch(full_size(logits, frame.size) > 0)
        known.update(zip(missing, masks))
    return [known[track_id] for track_id in track_ids]


def _is_visible(output: ObjectOutput) -> bool:
    """Unconfirmed masks are suppressed: a robot may grasp the object."""
    return output.status.state is TrackState.VISIBLE


def _tracks(frame: Frame, objects: list[TrackedObject], masks: dict[int, np.ndarray]) -> tuple[Track, ...]:
    """`masks` by mask value."""
    empty = np.zeros(frame.size, bool)
    return tuple(_track(o, frame.outputs[o.id], masks.get(o.mask_value, empty)) for o in objects)


def _track(object_: TrackedObject, output: ObjectOutput, mask: np.ndarray) -> Track:
    return Track(
        id=object_.id,
        mask_value=object_.mask_value,
        label=object_.label,
        state=output.status.state,
        presence=output.measured.presence,
        predicted_iou=output.measured.predicted_iou,
        mask=mask,
        box=bounding_box(mask),
        area=int(np.count_nonzero(mask)),
        last_seen=output.status.last_seen,
    )
