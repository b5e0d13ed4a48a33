"""What is read off the network's answer for a frame: a few numbers of each object and its mask, fetched at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import Decoded
from .masks import full_size
from .transfer import fetch
from .types import Box


class Observation(NamedTuple):
    """One object on one frame; lengths and areas are shares of the picture (0..1)."""

    occlusion_score: float  # logit
    presence: float  # its sigmoid
    predicted_iou: float
    area: float  # of the mask, 0 where the object is not in view
    box: Box | None  # around the mask
    divergence: float  # share of the box around all candidates that lies outside `box`


def observe(decoded: Decoded, weigh_candidates: bool) -> list[Observation]:
    """N observations, with their divergence only if asked for; waits for the device once."""
    (table,) = fetch(_numbers(decoded, weigh_candidates))
    return [_observation(*row) for row in table.tolist()]


def observe_masks(
    decoded: Decoded, weigh_candidates: bool, size: tuple[int, int]
) -> tuple[list[Observation], list[np.ndarray]]:
    """The same and, in one wait, each object's mask (H, W) bool, whether it is in view or not."""
    table, masks = fetch(_numbers(decoded, weigh_candidates), full_size(decoded.logits, size) > 0)
    return [_observation(*row) for row in table.tolist()], list(masks)


def _numbers(decoded: Decoded, weigh_candidates: bool) -> Tensor:
    """(N, 9) what an observation is made of, on the device."""
    masks = decoded.logits[:, 0] > 0
    scores = decoded.occlusion_score[:, 0].float()
    numbers = (
        scores,
        scores.sigmoid(),
        decoded.predicted_iou.float(),
        masks.float().mean(dim=(1, 2)),
        _divergence(masks, decoded.candidates.logits[:, 1:] > 0) if weigh_candidates else torch.zeros_like(scores),
    )
    return torch.cat((torch.stack(numbers, dim=1), extents(masks)), dim=1)


def extents(masks: Tensor) -> Tensor:
    """(..., h, w) bool -> (..., 4): left, top, right and bottom edge of each mask, all 0 where it is empty."""
    edges = [_span(masks.any(dim=-2)), _span(masks.any(dim=-1))]
    left_right, top_bottom = edges
    return torch.stack((left_right[0], top_bottom[0], left_right[1], top_bottom[1]), dim=-1)


def _span(line: Tensor) -> tuple[Tensor, Tensor]:
    """(..., n) bool -> first and last + 1 of what is set, in shares of n."""
    length, marks = line.shape[-1], line.int()
    first, last = marks.argmax(dim=-1), length - marks.flip(-1).argmax(dim=-1)
    there = line.any(dim=-1)
    return there * first / length, there * last / length


def _divergence(masks: Tensor, candidates: Tensor) -> Tensor:
    """(N,) from masks (N, h, w) and the candidates (N, 3, h, w) that they were chosen from.

    Rims and specks, where candidates always differ, are eroded away first.
    """
    stray = (candidates & ~masks[:, None]).float()
    stray = -F.max_pool2d(-stray, kernel_size=3, stride=1, padding=1) > 0
    own, joint = _box_area(extents(masks)), _box_area(extents(masks[:, None] | stray)).amax(dim=1)
    return torch.where(joint > 0, 1 - own / joint.clamp(min=1e-9), 0.0)


def _box_area(edges: Tensor) -> Tensor:
    return (edges[..., 2] - edges[..., 0]) * (edges[..., 3] - edges[..., 1])


def _observation(
    occlusion_score: float, presence: float, predicted_iou: float, area: float, divergence: float, *edges: float
) -> Observation:
    box = Box(*edges) if area else None
    return Observation(occlusion_score, presence, predicted_iou, area, box, divergence)
