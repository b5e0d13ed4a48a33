"""Whether two variants give the same masks: without that their speeds cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..parity.compare import MIN_AREA
from ..tracking.geometry import full_size


@dataclass(frozen=True)
class Agreement:
    """Masks of a variant and of the one that it is compared with, over all frames and objects."""

    mean_iou: float
    least_iou: float
    shaped: float  # share of the masks that are neither empty nor full

    @property
    def is_trivial(self) -> bool:
        """Whether most masks are empty or full, so that equality proves nothing."""
        return self.shaped < 0.5


class Agreements:
    """Accumulates frame by frame."""

    def __init__(self) -> None:
        self._masks = 0
        self._sum = 0.0
        self._least = 1.0
        self._shaped = 0

    @torch.inference_mode()
    def add(self, logits: Tensor, baseline: Tensor) -> None:
        """Logits (N, 1, h, w) of the same objects; they are compared at the size of the baseline's."""
        size = (int(baseline.shape[-2]), int(baseline.shape[-1]))
        mask, expected = (full_size(x, size).flatten(1) > 0 for x in (logits, baseline))
        union = (mask | expected).sum(1)
        ious = torch.where(union > 0, (mask & expected).sum(1) / union.clamp(min=1), 1.0)
        area = expected.float().mean(1)
        self._masks += len(ious)
        self._sum += float(ious.sum())
        self._least = min(self._least, float(ious.min()))
        self._shaped += int(((area > MIN_AREA) & (area < 1 - MIN_AREA)).sum())

    def so_far(self) -> Agreement:
        """At least one mask has been added."""
        return Agreement(self._sum / self._masks, self._least, self._shaped / self._masks)
