"""SAM 2's losses: focal and dice loss of the masks, L1 of the predicted IoU, cross-entropy of the occlusion score.

Sources: Ravi et al., "SAM 2" (2024), appendix D; Lin et al., "Focal Loss" (2017); Milletari et al., "V-Net" (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor

FOCAL_WEIGHT = 20.0
FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 2.0


class PixelLoss(Enum):
    """The loss of a mask's pixels.

    FOCAL is what the released models were trained with. From random weights CROSS_ENTROPY converges faster: the focal
    loss gives little weight to nearly correct pixels and less to the object than to the background.
    """

    FOCAL = "focal"
    CROSS_ENTROPY = "cross_entropy"


@dataclass(frozen=True)
class Losses:
    """Weighted terms of one prediction, each a mean over the objects; only `occlusion` includes invisible ones."""

    pixels: Tensor
    dice: Tensor
    iou: Tensor
    occlusion: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of all terms."""
        return self.pixels + self.dice + self.iou + self.occlusion


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """(..., H, W) logits and target in 0..1 -> (...), the mean over pixels."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    miss = probability * (1 - target) + (1 - probability) * target
    balance = FOCAL_ALPHA * target + (1 - FOCAL_ALPHA) * (1 - target)
    return (balance * miss**FOCAL_GAMMA * cross_entropy).mean(dim=(-2, -1))


def pixel_loss(kind: PixelLoss, logits: Tensor, target: Tensor) -> Tensor:
    """(..., H, W) -> (...), with its weight relative to the other terms."""
    if kind is PixelLoss.FOCAL:
        return FOCAL_WEIGHT * focal_loss(logits, target)
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=(-2, -1))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """(..., H, W) logits and target in 0..1 -> (...): 1 minus twice the overlap over the sum, both plus one pixel."""
    probability = logits.sigmoid()
    overlap = (probability * target).sum(dim=(-2, -1))
    return 1 - (2 * overlap + 1) / ((probability + target).sum(dim=(-2, -1)) + 1)


def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """(..., H, W) -> (...): IoU of logits > 0 and target > 0.5; 1 where both are empty."""
    found, true = logits > 0, target > 0.5
    union = (found | true).sum(dim=(-2, -1))
    return torch.where(union > 0, (found & true).sum(dim=(-2, -1)) / union.clamp(min=1), 1.0)


def prediction_losses(
    logits: Tensor, predicted_iou: Tensor, occlusion_score: Tensor, mask: Tensor, kind: PixelLoss = PixelLoss.FOCAL
) -> Losses:
    """Losses of M candidate masks of N objects.

    logits (N, M, h, w), predicted_iou (N, M), occlusion_score (N, 1), true mask (N, H, W) float at the frame's size,
    empty if the object is not visible. The candidates are compared at their own size; only the best of them has mask
    losses, at the frame's size.
    """
    rows = torch.arange(len(mask), device=mask.device)
    present = mask.flatten(1).any(dim=1)
    logits, predicted_iou = logits.float(), predicted_iou.float()
    with torch.no_grad():
        small = F.interpolate(mask[:, None], size=logits.shape[-2:], mode="area").expand_as(logits)
        best = (pixel_loss(kind, logits, small) + dice_loss(logits, small)).argmin(dim=1)
        true_iou = mask_iou(logits, small)
    chosen = F.interpolate(logits[rows, best].unsqueeze(1), size=mask.shape[-2:], mode="bilinear").squeeze(1)
    return Losses(
        pixels=_mean_of(pixel_loss(kind, chosen, mask), present),
        dice=_mean_of(dice_loss(chosen, mask), present),
        iou=_mean_of((predicted_iou - true_iou).abs().mean(dim=1), present),
        occlusion=F.binary_cross_entropy_with_logits(occlusion_score[:, 0].float(), present.float()),
    )


def _mean_of(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)
