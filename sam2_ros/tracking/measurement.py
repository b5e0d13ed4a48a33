"""Measurements of the network's output: a few numbers per object and its mask, fetched in one transfer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import Decoded
from .geometry import box_tensor_area, full_size, mask_tensor_boxes
from .transfer import fetch
from .types import Box


@dataclass(frozen=True)
class Measurement:
    """One object on one frame; lengths and areas are fractions of the frame (0..1)."""

    occlusion_score: float  # logit
    presence: float  # its sigmoid
    predicted_iou: float
    area: float  # of the mask, 0 where the object is not in view
    box: Box | None  # around the mask
    mask_disagreement: float  # fraction of the box around all mask candidates that lies outside `box`


def measure(decoded: Decoded, compare_candidates: bool) -> list[Measurement]:
    """One measurement per object (N), `mask_disagreement` only if `compare_candidates`; waits for the device once."""
    return fetch_measurements(measurement_table(decoded, compare_candidates))


def fetch_measurements(table: Tensor) -> list[Measurement]:
    """The measurements of a table of `measurement_table`; waits for the device once."""
    (rows,) = fetch(table)
    return _measurements(rows)


def fetch_with_masks(
    table: Tensor, logits: Tensor, size: tuple[int, int]
) -> tuple[list[Measurement], list[np.ndarray]]:
    """Also each object's mask (H, W) bool, whether it is in view or not, from its logits; waits only once, too."""
    rows, masks = fetch(table, full_size(logits, size) > 0)
    return _measurements(rows), list(masks)


def measurement_table(decoded: Decoded, compare_candidates: bool) -> Tensor:
    """(N, 9) on the device: the scalar fields in the order of `Measurement`, then the edges of the box."""
    masks = decoded.logits[:, 0] > 0
    scores = decoded.occlusion_score[:, 0].float()
    if compare_candidates:
        disagreement = _mask_disagreement(masks, decoded.candidates.logits[:, 1:] > 0)
    else:
        disagreement = torch.zeros_like(scores)
    columns = (
        scores,
        scores.sigmoid(),
        decoded.predicted_iou.float(),
        masks.float().mean(dim=(1, 2)),
        disagreement,
    )
    return torch.cat((torch.stack(columns, dim=1), mask_tensor_boxes(masks)), dim=1)


def _measurements(table: np.ndarray) -> list[Measurement]:
    return [
        Measurement(
            occlusion_score=score,
            presence=presence,
            predicted_iou=predicted_iou,
            area=area,
            box=Box(*edges) if area else None,
            mask_disagreement=disagreement,
        )
        for score, presence, predicted_iou, area, disagreement, *edges in table.tolist()
    ]


def _mask_disagreement(masks: Tensor, candidates: Tensor) -> Tensor:
    """(N,) from masks (N, h, w) and the candidates (N, 3, h, w) that they were chosen from.

    Erosion first removes rims and specks, where candidates always differ.
    """
    extra = (candidates & ~masks[:, None]).float()
    extra = -F.max_pool2d(-extra, kernel_size=3, stride=1, padding=1) > 0
    area = box_tensor_area(mask_tensor_boxes(masks))
    joint = box_tensor_area(mask_tensor_boxes(masks[:, None] | extra)).amax(dim=1)
    return torch.where(joint > 0, 1 - area / joint.clamp(min=1e-9), 0.0)
