"""Agreement of two variants' masks: only variants with the same masks can be compared in speed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..parity.compare import MIN_AREA
from ..tracking.geometry import full_size


@dataclass(frozen=True)
class Agreement:
    """Agreement of a variant's masks with the baseline's, over all frames and objects."""

    mean_iou: float
    min_iou: float
    non_trivial: float  # fraction of the baseline's masks that are neither empty nor full

    @property
    def is_trivial(self) -> bool:
        """Whether most masks are empty or full, so that equality proves nothing."""
        return self.non_trivial < 0.5


class AgreementMeter:
    """Accumulates the agreement frame by frame."""

    def __init__(self) -> None:
        self._masks = 0
        self._sum = 0.0
        self._min = 1.0
        self._non_trivial = 0

    @torch.inference_mode()
    def add(self, logits: Tensor, baseline: Tensor) -> None:
        """Compare mask logits (N, 1, h, w) of the same objects, at the size of the baseline's."""
        size = (int(baseline.shape[-2]), int(baseline.shape[-1]))
        mask, expected = (full_size(x, size).flatten(1) > 0 for x in (logits, baseline))
        union = (mask | expected).sum(1)
        ious = torch.where(union > 0, (mask & expected).sum(1) / union.clamp(min=1), 1.0)
        area = expected.float().mean(1)
        self._masks += len(ious)
        self._sum += float(ious.sum())
        self._min = min(self._min, float(ious.min()))
        self._non_trivial += int(((area > MIN_AREA) & (area < 1 - MIN_AREA)).sum())

    def agreement(self) -> Agreement:
        """The agreement of all masks so far, at least one."""
        return Agreement(self._sum / self._masks, self._min, self._non_trivial / self._masks)
