"""Unrolls the network over a batch of clips, as tracking does, and computes the losses of every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sam2_ros.model import Decoded, ImageFeatures, Memory, PromptTensors, Sam2
from sam2_ros.model.config import IMAGE_MEAN, IMAGE_STD, NUM_RECENT, NUM_RECENT_POINTERS
from sam2_ros.training.data import Sample
from sam2_ros.training.losses import Losses, PixelLoss, prediction_losses
from sam2_ros.training.prompts import corrected

_MEAN, _STD = torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD)


class ClipBatch(NamedTuple):
    """B clips of T frames with N objects in all, on the host."""

    frames: Tensor  # (T, B, S, S, 3) uint8
    masks: Tensor  # (T, N, S, S) bool
    owner: Tensor  # (N,) long, the clip of each object


@dataclass(frozen=True)
class PromptSchedule:
    """The prompts of a batch: those of the first frame, its corrective clicks, and a later frame that is corrected.

    `prompts` is None where the masks of the first frame are given. With `teacher_forcing` memories are encoded from
    the true masks instead of the predicted ones.
    """

    prompts: PromptTensors | None
    first_clicks: int = 0
    later_frame: int | None = None
    later_clicks: int = 0
    teacher_forcing: bool = False
    pixel_loss: PixelLoss = PixelLoss.FOCAL

    def clicks_on(self, frame: int) -> int:
        """Corrective clicks on this frame."""
        return self.first_clicks if frame == 0 else self.later_clicks if frame == self.later_frame else 0


@dataclass
class _MemoryState:
    """Memories of the frames so far: spatial memory and object pointer of each, and which frames were prompted."""

    spatial: list[Tensor] = field(default_factory=list)
    pointers: list[Tensor] = field(default_factory=list)
    prompted: list[int] = field(default_factory=list)

    def memory(self) -> Memory:
        """The memories that the next frame attends to."""
        now = len(self.spatial)
        recent = [t for t in range(now - 1, max(-1, now - 1 - NUM_RECENT), -1) if t not in self.prompted]
        earlier = [t for t in range(now - 1, max(-1, now - 1 - NUM_RECENT_POINTERS), -1) if t not in self.prompted]
        frames = self.prompted + recent
        device = self.pointers[0].device
        rows = torch.tensor([NUM_RECENT] * len(self.prompted) + [now - t - 1 for t in recent], device=device)
        pointer_frames = self.prompted + earlier
        count = len(self.pointers[0])
        return Memory(
            spatial=torch.stack([self.spatial[t] for t in frames], dim=1),
            spatial_row=rows.expand(count, -1),
            pointers=torch.stack([self.pointers[t] for t in pointer_frames], dim=1),
            pointer_age=torch.tensor([float(now - t) for t in pointer_frames], device=device).expand(count, -1),
        )


def collate(samples: Sequence[Sample]) -> ClipBatch:
    """Samples of one length and size as one batch."""
    owner = [clip for clip, sample in enumerate(samples) for _ in sample.masks]
    return ClipBatch(
        torch.from_numpy(np.stack([sample.frames for sample in samples], axis=1)),
        torch.from_numpy(np.concatenate([sample.masks.swapaxes(0, 1) for sample in samples], axis=1)),
        torch.tensor(owner),
    )


def unroll(
    model: Sam2, batch: ClipBatch, schedules: Sequence[PromptSchedule], rng: np.random.Generator
) -> list[Losses]:
    """Track every object through its clip, once for every schedule; the losses of all predictions, in order.

    A frame whose mask is given has none. All schedules share the encoded images.
    """
    frames, masks, owner = (x.to(model.device, non_blocking=True) for x in batch)
    clips = frames.shape[1]
    encoded = model.encode_image(_normalised(frames.flatten(0, 1)))
    rows = [t * clips + owner for t in range(len(frames))]
    return [losses for schedule in schedules for losses in _track(model, encoded, rows, masks.float(), schedule, rng)]


def _normalised(frames: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32"""
    mean, std = (values.to(frames.device) for values in (_MEAN, _STD))
    return ((frames.float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def _track(
    model: Sam2,
    encoded: ImageFeatures,
    rows: Sequence[Tensor],
    masks: Tensor,
    schedule: PromptSchedule,
    rng: np.random.Generator,
) -> list[Losses]:
    """The losses of one schedule; `rows` (N,) of each frame index the encoded images of its objects."""
    memories = _MemoryState()
    losses: list[Losses] = []
    for t, mask in enumerate(masks):
        features = _features_of(encoded, rows[t])
        prompted = t in (0, schedule.later_frame)
        if t == 0 and schedule.prompts is None:
            prediction = model.decode_mask_prompt(features, mask.unsqueeze(1))
        else:
            conditioned = model.without_memory(features) if t == 0 else model.read_memory(features, memories.memory())
            prompts = schedule.prompts if t == 0 else None
            prediction = _decode(model, conditioned, features, prompts)
            losses.append(_losses_of(prediction, prompts, mask, schedule.pixel_loss))
            for _ in range(schedule.clicks_on(t)):
                prompts = corrected(rng, prompts, prediction.logits, *_full_size_masks(prediction, mask))
                prediction = _decode(model, conditioned, features, prompts)
                losses.append(_losses_of(prediction, prompts, mask, schedule.pixel_loss))
        if t + 1 < len(masks):  # no frame attends to the last one
            _memorize(model, features, prediction, mask, prompted, schedule.teacher_forcing, memories)
    return losses


def _features_of(encoded: ImageFeatures, rows: Tensor) -> ImageFeatures:
    return ImageFeatures(encoded.stride16[rows], encoded.stride8[rows], encoded.stride4[rows])


def _full_size_masks(prediction: Decoded, mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted mask at the frame's size, (N, S, S) bool each."""
    full = torch.nn.functional.interpolate(prediction.logits.detach().float(), size=mask.shape[-2:], mode="bilinear")
    return (mask > 0.5).cpu().numpy(), (full[:, 0] > 0).cpu().numpy()


def _is_ambiguous(prompts: PromptTensors | None) -> bool:
    """Without a prompt or with one click the network predicts three masks."""
    return prompts is None or prompts.points.shape[1] == 1


def _decode(model: Sam2, conditioned: Tensor, features: ImageFeatures, prompts: PromptTensors | None) -> Decoded:
    if prompts is not None:
        points, labels = (x.to(model.device) for x in (prompts.points, prompts.labels))
        prompts = prompts._replace(points=points, labels=labels)
    return model.decode(conditioned, features, prompts, multimask=_is_ambiguous(prompts))


def _losses_of(prediction: Decoded, prompts: PromptTensors | None, mask: Tensor, kind: PixelLoss) -> Losses:
    """The losses of the candidate masks: three for an ambiguous prompt, else one."""
    candidates = slice(1, None) if _is_ambiguous(prompts) else slice(0, 1)
    logits = prediction.candidates.logits[:, candidates]
    predicted_iou = prediction.candidates.predicted_iou[:, candidates]
    return prediction_losses(logits, predicted_iou, prediction.candidates.occlusion_score, mask, kind)


def _memorize(
    model: Sam2,
    features: ImageFeatures,
    prediction: Decoded,
    mask: Tensor,
    prompted: bool,
    teacher_forcing: bool,
    memories: _MemoryState,
) -> None:
    logits, score = prediction.logits, prediction.occlusion_score
    if teacher_forcing:
        logits = _true_logits(mask, logits.shape[-1])
        score = mask.flatten(1).any(dim=1, keepdim=True).float() * 20 - 10
    if prompted:
        memories.prompted.append(len(memories.spatial))
    memories.spatial.append(model.write_memory(features, logits, score, binarise=prompted))
    memories.pointers.append(prediction.pointer)


def _true_logits(mask: Tensor, side: int) -> Tensor:
    return torch.nn.functional.interpolate(mask.unsqueeze(1), size=(side, side), mode="area") * 20 - 10
