"""Differences of two implementations' outputs, and whether equality of these means anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..tracking.geometry import full_size
from .scenarios import FrameOutput, VideoOutputs

MODULE_LIMIT = 1e-4  # relative to the reference's largest absolute value
MIN_AREA = 1e-3  # fraction of the image that a mask covers at least, and leaves at least


@dataclass(frozen=True)
class Limits:
    """Largest differences on one frame; presence must be equal in any case."""

    logits: float  # relative to the standard deviation of the reference's logits on that frame
    mask_iou: float  # at least


SEEDED = Limits(1e-3, 0.999)
# Spatial memories are stored in bfloat16: where rounding of a sum flips the last bit of one, the logits of all later
# frames differ by more than sums in another order do. With trained weights only masks are compared.
TRAINED = Limits(float("inf"), 0.99)


@dataclass(frozen=True)
class ModuleDifference:
    """The outputs of one module."""

    name: str
    difference: float  # relative to the reference's largest absolute value

    @property
    def ok(self) -> bool:
        """Whether the difference is within the limit."""
        return self.difference <= MODULE_LIMIT


@dataclass(frozen=True)
class FrameDifference:
    """One object on one frame."""

    object: int
    frame: int
    difference: float  # of the logits, relative to the standard deviation of the reference's
    mask_iou: float
    our_score: float
    score: float  # the reference's occlusion score
    area: float  # of the reference's mask, as a fraction of the image

    def within(self, limits: Limits) -> bool:
        """Whether both implementations agree on this frame."""
        presence = (self.our_score > 0) == (self.score > 0)
        return presence and self.difference <= limits.logits and self.mask_iou >= limits.mask_iou


def compare_modules(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> list[ModuleDifference]:
    """Compare outputs by module name. Raises ValueError where names or shapes differ."""
    if ours.keys() != theirs.keys():
        raise ValueError(f"only one implementation has outputs of: {sorted(ours.keys() ^ theirs.keys())}")
    for name, tensor in theirs.items():
        if ours[name].shape != tensor.shape:
            raise ValueError(f"{name} is {tuple(ours[name].shape)}, the reference's is {tuple(tensor.shape)}")
    return [
        ModuleDifference(name, _largest(ours[name] - tensor) / max(_largest(tensor), 1e-30))
        for name, tensor in theirs.items()
    ]


def compare_videos(ours: VideoOutputs, theirs: VideoOutputs, image_size: int) -> list[FrameDifference]:
    """Compare outputs by object and frame. Raises ValueError where these differ."""
    if ours.keys() != theirs.keys():
        raise ValueError(f"only one implementation has outputs of: {sorted(ours.keys() ^ theirs.keys())}")
    return [
        _compare_frame(object_, frame, ours[object_, frame], theirs[object_, frame], image_size)
        for object_, frame in sorted(theirs)
    ]


def trivialities(frames: list[FrameDifference], absence: bool) -> list[str]:
    """Why equality on these frames would prove nothing; with `absence` the object must go out of view."""
    present = [frame for frame in frames if frame.score > 0]
    shaped = [frame for frame in present if MIN_AREA < frame.area < 1 - MIN_AREA]
    problems = []
    if not present:
        problems.append("the object is never in view")
    if absence and len(present) == len(frames):
        problems.append("the object is always in view")
    if 2 * len(shaped) < len(present):
        problems.append("most masks are empty or full")
    if shaped and len({frame.area for frame in shaped}) == 1:
        problems.append("the mask never changes")
    return problems


def _compare_frame(object_: int, frame: int, ours: FrameOutput, theirs: FrameOutput, size: int) -> FrameDifference:
    our_mask, mask = (full_size(output.logits[None, None], (size, size)) > 0 for output in (ours, theirs))
    union = int((our_mask | mask).sum())
    spread = max(float(theirs.logits.std()), 1e-30)
    return FrameDifference(
        object=object_,
        frame=frame,
        difference=_largest(ours.logits - theirs.logits) / spread,
        mask_iou=int((our_mask & mask).sum()) / union if union else 1.0,
        our_score=ours.occlusion_score,
        score=theirs.occlusion_score,
        area=float(mask.float().mean()),
    )


def _largest(x: Tensor) -> float:
    return float(torch.linalg.vector_norm(x.float(), ord=float("inf")))
