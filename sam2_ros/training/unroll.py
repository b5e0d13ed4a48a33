"""One pass of the network over a batch of clips, as tracking will use it, with the losses of every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sam2_ros.model import Decoded, ImageFeatures, Memory, PromptTensors, Sam2
from sam2_ros.model.config import IMAGE_MEAN, IMAGE_STD, NUM_RECENT, POINTER_REACH
from sam2_ros.training.data import Sample
from sam2_ros.training.losses import Losses, PixelLoss, answer_losses
from sam2_ros.training.prompts import corrected

_MEAN, _STD = torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD)


class Batch(NamedTuple):
    """B clips of T frames with N objects in all, on the host."""

    frames: Tensor  # (T, B, S, S, 3) uint8
    masks: Tensor  # (T, N, S, S) bool
    owner: Tensor  # (N,) long, the clip of each object


@dataclass(frozen=True)
class Course:
    """How a batch is trained: the first prompt and how many clicks correct it, a later frame that is corrected too.

    `prompts` are those of the first frame, None where its masks are given. `teacher`: memories are written from the
    true masks instead of the answers. `pixel_loss`: what their masks learn by.
    """

    prompts: PromptTensors | None
    first_clicks: int = 0
    later_frame: int | None = None
    later_clicks: int = 0
    teacher: bool = False
    pixel_loss: PixelLoss = PixelLoss.FOCAL

    def clicks_on(self, frame: int) -> int:
        """Corrective clicks on this frame."""
        return self.first_clicks if frame == 0 else self.later_clicks if frame == self.later_frame else 0


@dataclass
class _Remembered:
    """What has been written so far: per frame spatial memory, pointer, and whether it was prompted."""

    spatial: list[Tensor] = field(default_factory=list)
    pointers: list[Tensor] = field(default_factory=list)
    prompted: list[int] = field(default_factory=list)

    def memory(self) -> Memory:
        """What the next frame reads."""
        now = len(self.spatial)
        recent = [t for t in range(now - 1, max(-1, now - 1 - NUM_RECENT), -1) if t not in self.prompted]
        earlier = [t for t in range(now - 1, max(-1, now - 1 - POINTER_REACH), -1) if t not in self.prompted]
        frames = self.prompted + recent
        device = self.pointers[0].device
        rows = torch.tensor([NUM_RECENT] * len(self.prompted) + [now - t - 1 for t in recent], device=device)
        spoken = self.prompted + earlier
        count = len(self.pointers[0])
        return Memory(
            spatial=torch.stack([self.spatial[t] for t in frames], dim=1),
            spatial_row=rows.expand(count, -1),
            pointers=torch.stack([self.pointers[t] for t in spoken], dim=1),
            pointer_distance=torch.tensor([float(now - t) for t in spoken], device=device).expand(count, -1),
        )


def collate(samples: Sequence[Sample]) -> Batch:
    """Clips of one length and size as tensors."""
    owner = [clip for clip, sample in enumerate(samples) for _ in sample.masks]
    return Batch(
        torch.from_numpy(np.stack([sample.frames for sample in samples], axis=1)),
        torch.from_numpy(np.concatenate([sample.masks.swapaxes(0, 1) for sample in samples], axis=1)),
        torch.tensor(owner),
    )


def unroll(model: Sam2, batch: Batch, courses: Sequence[Course], rng: np.random.Generator) -> list[Losses]:
    """Track every object through its clip, once for every course; the losses of every answer, in order.

    A frame whose mask was given has none. The images are encoded once, which is most of the work of a still image.
    """
    frames, masks, owner = (x.to(model.device, non_blocking=True) for x in batch)
    clips = frames.shape[1]
    encoded = model.encode_image(_normalised(frames.flatten(0, 1)))
    rows = [t * clips + owner for t in range(len(frames))]
    return [losses for course in courses for losses in _track(model, encoded, rows, masks.float(), course, rng)]


def _normalised(frames: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32"""
    mean, std = (values.to(frames.device) for values in (_MEAN, _STD))
    return ((frames.float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def _track(
    model: Sam2,
    encoded: ImageFeatures,
    rows: Sequence[Tensor],
    masks: Tensor,
    course: Course,
    rng: np.random.Generator,
) -> list[Losses]:
    """The losses of one course; `rows` (N,) of each frame are the objects' places in what was encoded."""
    remembered = _Remembered()
    losses: list[Losses] = []
    for t, mask in enumerate(masks):
        features = _features_of(encoded, rows[t])
        prompted = t in (0, course.later_frame)
        if t == 0 and course.prompts is None:
            answer = model.decode_mask_prompt(features, mask.unsqueeze(1))
        else:
            conditioned = model.without_memory(features) if t == 0 else model.read_memory(features, remembered.memory())
            prompts = course.prompts if t == 0 else None
            answer = _answer(model, conditioned, features, prompts)
            losses.append(_losses_of(answer, prompts, mask, course.pixel_loss))
            for _ in range(course.clicks_on(t)):
                prompts = corrected(rng, prompts, answer.logits, *_compared(answer, mask))
                answer = _answer(model, conditioned, features, prompts)
                losses.append(_losses_of(answer, prompts, mask, course.pixel_loss))
        if t + 1 < len(masks):  # nobody reads what the last frame would leave
            _write(model, features, answer, mask, prompted, course.teacher, remembered)
    return losses


def _features_of(encoded: ImageFeatures, rows: Tensor) -> ImageFeatures:
    return ImageFeatures(encoded.coarse[rows], encoded.half[rows], encoded.fine[rows])


def _compared(answer: Decoded, mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """True mask and answer at the frame's size, (N, S, S) bool."""
    full = torch.nn.functional.interpolate(answer.logits.detach().float(), size=mask.shape[-2:], mode="bilinear")
    return (mask > 0.5).cpu().numpy(), (full[:, 0] > 0).cpu().numpy()


def _is_ambiguous(prompts: PromptTensors | None) -> bool:
    """No prompt or one click: three masks are in question."""
    return prompts is None or prompts.points.shape[1] == 1


def _answer(model: Sam2, conditioned: Tensor, features: ImageFeatures, prompts: PromptTensors | None) -> Decoded:
    if prompts is not None:
        points, labels = (x.to(model.device) for x in (prompts.points, prompts.labels))
        prompts = prompts._replace(points=points, labels=labels)
    return model.decode(conditioned, features, prompts, multimask=_is_ambiguous(prompts))


def _losses_of(answer: Decoded, prompts: PromptTensors | None, mask: Tensor, kind: PixelLoss) -> Losses:
    """The losses of the candidates that were in question."""
    asked = slice(1, None) if _is_ambiguous(prompts) else slice(0, 1)
    found = answer.candidates
    return answer_losses(found.logits[:, asked], found.predicted_iou[:, asked], found.occlusion_score, mask, kind)


def _write(
    model: Sam2,
    features: ImageFeatures,
    answer: Decoded,
    mask: Tensor,
    prompted: bool,
    teacher: bool,
    remembered: _Remembered,
) -> None:
    logits, score = answer.logits, answer.occlusion_score
    if teacher:
        logits = _truth_logits(mask, logits.shape[-1])
        score = mask.flatten(1).any(dim=1, keepdim=True).float() * 20 - 10
    if prompted:
        remembered.prompted.append(len(remembered.spatial))
    remembered.spatial.append(model.write_memory(features, logits, score, binarise=prompted))
    remembered.pointers.append(answer.pointer)


def _truth_logits(mask: Tensor, side: int) -> Tensor:
    return torch.nn.functional.interpolate(mask.unsqueeze(1), size=(side, side), mode="area") * 20 - 10
