"""Which frames an object is remembered by, and by which of the network's masks it is followed.

`reference`         what SAM 2 does: every frame, also one on which the object is not seen.
`guarded`           only frames on which the object is surely in view; a hundred frames of absence forget nothing.
`distractor_aware`  besides, anchors: frames on which the network also considered something beside the object and
                    chose well keep the difference in mind. After Videnovic, Lukezic and Kristan, "A Distractor-Aware
                    Memory for Visual Object Tracking with SAM2" (2025).
`motion_aware`      besides, of the three candidate masks the one that also fits the object's motion, and only frames
                    that do. After Yang et al., "SAMURAI: Adapting Segment Anything Model for Zero-Shot Visual
                    Tracking with Motion-Aware Memory" (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import Tensor

from ..model.mask_decoder import MaskCandidates, choose_by_iou
from .frames import Answer
from .masks import box_iou
from .observation import extents
from .transfer import upload
from .types import Box, TrackState

_LEAST_IOU = 0.5  # predicted, of a mask that is worth remembering
_LEAST_MOTION_IOU = 0.5  # of its box with the one that was expected

# Anchors
_DIVERGENCE = 0.3
_ANCHOR_IOU = 0.8  # predicted
_USUAL_AREA = 0.2  # by which the area may differ from the usual one
_BETWEEN_ANCHORS = 5  # frames, at least


@dataclass(frozen=True)
class MemoryPolicy:
    """One row of the table."""

    is_selective: bool = True  # else every frame is remembered
    anchors: int = 0  # that are kept of an object
    motion_weight: float = 0.0  # in the choice of the mask, against predicted IoU

    def choose(self, candidates: MaskCandidates, expected: Sequence[Box | None]) -> Tensor:
        """(N,) which of the last three candidates is the mask of each of N objects with these expected boxes."""
        if not self.motion_weight or not any(expected):
            return choose_by_iou(candidates)
        known = [(1.0, b.x0, b.y0, b.x1, b.y1) if b else (0.0,) * 5 for b in expected]
        table = upload(np.array(known, np.float32), candidates.logits.device)
        overlap = _overlap(extents(candidates.logits[:, 1:] > 0), table[:, None, 1:])
        weight = table[:, :1] * self.motion_weight
        return (candidates.predicted_iou[:, 1:] * (1 - weight) + overlap * weight).argmax(dim=1) + 1

    def remembers(self, answer: Answer, stamp: float) -> bool:
        """Whether a tracked frame enters memory."""
        if not self.is_selective:
            return True
        if answer.after.presence.state is not TrackState.VISIBLE or answer.seen.predicted_iou < _LEAST_IOU:
            return False
        expected = answer.before.expected(stamp) if self.motion_weight else None
        return expected is None or box_iou(answer.seen.box, expected) >= _LEAST_MOTION_IOU

    def is_anchor(self, answer: Answer, gap: int) -> bool:
        """Whether a frame that is remembered, `gap` frames after the last anchor, is to be one."""
        seen, areas = answer.seen, answer.before.presence.areas
        return (
            self.anchors > 0
            and gap >= _BETWEEN_ANCHORS
            and seen.divergence > _DIVERGENCE
            and seen.predicted_iou > _ANCHOR_IOU
            and bool(areas)
            and abs(seen.area / median(areas) - 1) < _USUAL_AREA
        )

    def anchor_slots(self, history: int) -> int:
        """So many that `anchors` are left when an object is taken back by `history` frames."""
        return self.anchors + -(-history // _BETWEEN_ANCHORS) if self.anchors else 0


POLICIES = {
    "reference": MemoryPolicy(is_selective=False),
    "guarded": MemoryPolicy(),
    "distractor_aware": MemoryPolicy(anchors=3),
    "motion_aware": MemoryPolicy(motion_weight=0.15),
}


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes (..., 4)"""
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(dim=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(dim=-1) for box in (a, b)]
    return inner / (areas[0] + areas[1] - inner).clamp(min=1e-9)
