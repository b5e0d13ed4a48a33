"""Which tracked frames are written to memory, and which of the network's mask candidates an object is tracked by.

`reference`         what SAM 2 does: every frame, also those on which the object is not in view.
`guarded`           only frames on which the object is in view and its mask reliable, so that absence erases nothing.
`distractor_aware`  also long-term entries: frames on which the network chose well between the object and a distractor.
                    After Videnovic, Lukezic and Kristan, "A Distractor-Aware Memory for Visual Object Tracking with
                    SAM2" (2025).
`motion_aware`      as guarded, with the mask candidate that also fits the object's motion, and only frames that do.
                    After Yang et al., "SAMURAI: Adapting Segment Anything Model for Zero-Shot Visual Tracking with
                    Motion-Aware Memory" (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from torch import Tensor

from ..model.mask_decoder import MaskCandidates, choose_by_iou
from .frame_buffer import ObjectOutput
from .geometry import box_iou, box_tensor_iou, mask_tensor_boxes
from .types import Box, TrackState

_MIN_PREDICTED_IOU = 0.5  # of a mask that is written to memory
_MIN_MOTION_IOU = 0.5  # of its box with the predicted one

# Long-term entries
_MIN_DISAGREEMENT = 0.3
_MIN_LONG_TERM_IOU = 0.8  # predicted
_MAX_AREA_CHANGE = 0.2  # relative to the recent median
_LONG_TERM_INTERVAL = 5  # frames, at least


@dataclass(frozen=True)
class MemoryPolicy:
    """One row of the table above."""

    is_selective: bool = True  # otherwise every frame is written
    long_term: int = 0  # long-term entries per object
    motion_weight: float = 0.0  # of the motion model in the choice of the mask, against the predicted IoU

    def choose(self, candidates: MaskCandidates, predicted_boxes: Tensor | None) -> Tensor:
        """(N,) index (1..3) of the mask candidate of each of N objects, given the table of `box_table`, if any."""
        if predicted_boxes is None:
            return choose_by_iou(candidates)
        motion_iou = box_tensor_iou(mask_tensor_boxes(candidates.logits[:, 1:] > 0), predicted_boxes[:, None, 1:])
        weight = predicted_boxes[:, :1] * self.motion_weight
        return (candidates.predicted_iou[:, 1:] * (1 - weight) + motion_iou * weight).argmax(dim=1) + 1

    def keeps(self, output: ObjectOutput, stamp: float) -> bool:
        """Whether a tracked frame is written to memory."""
        if not self.is_selective:
            return True
        if output.status.state is not TrackState.VISIBLE or output.measured.predicted_iou < _MIN_PREDICTED_IOU:
            return False
        predicted = output.status_before.predicted_box(stamp) if self.motion_weight else None
        return predicted is None or box_iou(output.measured.box, predicted) >= _MIN_MOTION_IOU

    def is_long_term(self, output: ObjectOutput, interval: int) -> bool:
        """Whether a frame that is kept, `interval` frames after the last long-term entry, becomes one, too."""
        measured, areas = output.measured, output.status_before.areas
        return (
            self.long_term > 0
            and interval >= _LONG_TERM_INTERVAL
            and measured.mask_disagreement > _MIN_DISAGREEMENT
            and measured.predicted_iou > _MIN_LONG_TERM_IOU
            and bool(areas)
            and abs(measured.area / median(areas) - 1) < _MAX_AREA_CHANGE
        )

    def long_term_slots(self, history: int) -> int:
        """Slots of which `long_term` entries remain after a correction drops those of `history` frames."""
        return self.long_term + -(-history // _LONG_TERM_INTERVAL) if self.long_term else 0


def box_table(boxes: Sequence[Box | None]) -> np.ndarray:
    """(N, 5) float32: 1 and the edges of the motion model's box for each object, zeros where it cannot say."""
    return np.array([(1.0, b.x0, b.y0, b.x1, b.y1) if b else (0.0,) * 5 for b in boxes], np.float32)


POLICIES = {
    "reference": MemoryPolicy(is_selective=False),
    "guarded": MemoryPolicy(),
    "distractor_aware": MemoryPolicy(long_term=3),
    "motion_aware": MemoryPolicy(motion_weight=0.15),
}
