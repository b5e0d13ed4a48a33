"""How far two answers are apart, and whether they say anything at all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..tracking.geometry import full_size
from .scenarios import Answer, Answers

MODULE_LIMIT = 1e-4  # of the reference's largest absolute value
LEAST_AREA = 1e-3  # share of the image that a mask covers, and leaves


@dataclass(frozen=True)
class Limits:
    """What two answers for a frame may differ by; presence has to be the same in any case."""

    logits: float  # of the standard deviation of the reference's logits on that frame
    mask_iou: float


SEEDED = Limits(1e-3, 0.999)
# Memories are kept in bfloat16: where the last bit of a sum tips one to its neighbour, the logits of all later frames
# differ by more than a sum in another order does. Of trained weights the masks count.
TRAINED = Limits(float("inf"), 0.99)


@dataclass(frozen=True)
class ModuleDifference:
    """One module."""

    name: str
    difference: float  # relative to the reference's largest absolute value

    @property
    def ok(self) -> bool:
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
    area: float  # share of the image under the reference's mask

    def within(self, limits: Limits) -> bool:
        """Whether the two are equal."""
        presence = (self.our_score > 0) == (self.score > 0)
        return presence and self.difference <= limits.logits and self.mask_iou >= limits.mask_iou


def compare_modules(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> list[ModuleDifference]:
    """Raises ValueError where the two do not answer the same questions in the same shapes."""
    if ours.keys() != theirs.keys():
        raise ValueError(f"answered by one side only: {sorted(ours.keys() ^ theirs.keys())}")
    for name, tensor in theirs.items():
        if ours[name].shape != tensor.shape:
            raise ValueError(f"{name} is {tuple(ours[name].shape)}, the reference's is {tuple(tensor.shape)}")
    return [
        ModuleDifference(name, _largest(ours[name] - tensor) / max(_largest(tensor), 1e-30))
        for name, tensor in theirs.items()
    ]


def compare_videos(ours: Answers, theirs: Answers, image_size: int) -> list[FrameDifference]:
    """Raises ValueError where the two do not answer for the same objects and frames."""
    if ours.keys() != theirs.keys():
        raise ValueError(f"answered by one side only: {sorted(ours.keys() ^ theirs.keys())}")
    return [
        _compare_frame(object_, frame, ours[object_, frame], theirs[object_, frame], image_size)
        for object_, frame in sorted(theirs)
    ]


def trivialities(frames: list[FrameDifference], absence: bool) -> list[str]:
    """Why equality on these frames would prove nothing; `absence` says that the object is to go out of view."""
    present = [frame for frame in frames if frame.score > 0]
    shaped = [frame for frame in present if LEAST_AREA < frame.area < 1 - LEAST_AREA]
    problems = []
    if not present:
        problems.append("the object is never in view")
    if absence and len(present) == len(frames):
        problems.append("the object is always in view")
    if 2 * len(shaped) < len(present):
        problems.append("most masks are empty, or full")
    if shaped and len({frame.area for frame in shaped}) == 1:
        problems.append("the mask never changes")
    return problems


def _compare_frame(object_: int, frame: int, ours: Answer, theirs: Answer, size: int) -> FrameDifference:
    our_mask, mask = (full_size(answer.logits[None, None], (size, size)) > 0 for answer in (ours, theirs))
    union = int((our_mask | mask).sum())
    spread = max(float(theirs.logits.std()), 1e-30)
    return FrameDifference(
        object_,
        frame,
        _largest(ours.logits - theirs.logits) / spread,
        int((our_mask & mask).sum()) / union if union else 1.0,
        ours.occlusion_score,
        theirs.occlusion_score,
        float(mask.float().mean()),
    )


def _largest(x: Tensor) -> float:
    return float(torch.linalg.vector_norm(x.float(), ord=float("inf")))
