"""One pass of the network over a batch of clips, as tracking will use it, with the losses of every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sam2_ros.model import Decoded, ImageFeatures, Memory, PromptTensors, Sam2
from sam2_ros.model.config import IMAGE_MEAN, IMAGE_STD, NUM_RECENT, POINTER_REACH
from sam2_ros.training.data import Sample
from sam2_ros.training.losses import Losses, PixelLoss, answer_losses
from sam2_ros.training.prompts import PromptKind, boxes, corrected, first_clicks

_MEAN, _STD = torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD)


@dataclass(frozen=True)
class Batch:
    """B clips of T frames with N objects in all.

    `images` (T, B, 3, S, S) normalised, `masks` (T, N, S, S) float, `owner` (N,) the clip of each object.
    """

    images: Tensor
    masks: Tensor
    owner: Tensor


@dataclass(frozen=True)
class Course:
    """How a batch is trained: the first prompt and how many clicks correct it, a later frame that is corrected too.

    `teacher`: memories are written from the true masks instead of the answers. `pixel_loss`: what their masks learn by.
    """

    kind: PromptKind
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
        rows = torch.tensor([NUM_RECENT] * len(self.prompted) + [now - t - 1 for t in recent])
        spoken = self.prompted + earlier
        count = len(self.pointers[0])
        return Memory(
            spatial=torch.stack([self.spatial[t] for t in frames], dim=1),
            spatial_row=rows.expand(count, -1),
            pointers=torch.stack([self.pointers[t] for t in spoken], dim=1),
            pointer_distance=torch.tensor([float(now - t) for t in spoken]).expand(count, -1),
        )


def collate(samples: list[Sample], device: torch.device) -> Batch:
    """Clips of one length and size as tensors."""
    frames = torch.from_numpy(np.stack([sample.frames for sample in samples], axis=1))
    images = ((frames.float() / 255 - _MEAN) / _STD).permute(0, 1, 4, 2, 3).contiguous()
    masks = torch.from_numpy(np.concatenate([sample.masks for sample in samples]).transpose(1, 0, 2, 3)).float()
    owner = [clip for clip, sample in enumerate(samples) for _ in sample.masks]
    return Batch(images.to(device), masks.to(device), torch.tensor(owner, device=device))


def unroll(model: Sam2, batch: Batch, courses: Sequence[Course], rng: np.random.Generator) -> list[Losses]:
    """Track every object through its clip, once for every course; the losses of every answer, in order.

    A frame whose mask was given has none. The images are encoded once, which is most of the work of a still image.
    """
    encoded = model.encode_image(batch.images.flatten(0, 1))
    return [losses for course in courses for losses in _track(model, encoded, batch, course, rng)]


def _track(model: Sam2, encoded: ImageFeatures, batch: Batch, course: Course, rng: np.random.Generator) -> list[Losses]:
    frames, clips = batch.images.shape[:2]
    remembered = _Remembered()
    losses: list[Losses] = []
    for t in range(frames):
        features = _features_of(encoded, t * clips + batch.owner)
        mask = batch.masks[t]
        prompted = t in (0, course.later_frame)
        if t == 0 and course.kind is PromptKind.MASK:
            answer = model.decode_mask_prompt(features, mask.unsqueeze(1))
        else:
            conditioned = model.without_memory(features) if t == 0 else model.read_memory(features, remembered.memory())
            prompts = _first_prompts(rng, course.kind, mask) if t == 0 else None
            answer = _answer(model, conditioned, features, prompts)
            losses.append(_losses_of(answer, prompts, mask, course.pixel_loss))
            for _ in range(course.clicks_on(t)):
                prompts = corrected(rng, prompts, answer.logits, *_compared(answer, mask))
                answer = _answer(model, conditioned, features, prompts)
                losses.append(_losses_of(answer, prompts, mask, course.pixel_loss))
        if t + 1 < frames:  # nobody reads what the last frame would leave
            _write(model, features, answer, mask, prompted, course.teacher, remembered)
    return losses


def _features_of(encoded: ImageFeatures, rows: Tensor) -> ImageFeatures:
    return ImageFeatures(encoded.coarse[rows], encoded.half[rows], encoded.fine[rows])


def _first_prompts(rng: np.random.Generator, kind: PromptKind, mask: Tensor) -> PromptTensors:
    true = mask.cpu().numpy() > 0.5
    return first_clicks(rng, true) if kind is PromptKind.CLICK else boxes(rng, true)


def _compared(answer: Decoded, mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """True mask and answer at the frame's size, (N, S, S) bool."""
    full = torch.nn.functional.interpolate(answer.logits.detach().float(), size=mask.shape[-2:], mode="bilinear")
    return mask.cpu().numpy() > 0.5, (full[:, 0] > 0).cpu().numpy()


def _is_ambiguous(prompts: PromptTensors | None) -> bool:
    """No prompt or one click: three masks are in question."""
    return prompts is None or prompts.points.shape[1] == 1


def _answer(model: Sam2, conditioned: Tensor, features: ImageFeatures, prompts: PromptTensors | None) -> Decoded:
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
