"""The network on single images: encode one, then decode any number of prompts on it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..model import ImageFeatures, Network, PromptTensors
from ..model.mask_decoder import MaskCandidates, choose_by_stability
from ..tracking.device import PRECISIONS, autocast
from ..tracking.preprocess import preprocess_unrounded

_CPU_BATCH = 4  # prompts: what they take stays in a CPU's caches
_GPU_PIECE = 32  # prompts that a GPU decodes in milliseconds


def prompts_per_piece(device: torch.device) -> int:
    """Prompts that are decoded at once where something else waits, such as the next frame of a stream."""
    return _CPU_BATCH if device.type == "cpu" else _GPU_PIECE


class EncodedImage(NamedTuple):
    """What prompts are decoded on."""

    features: ImageFeatures
    conditioned: Tensor  # (1, C, h, w)
    size: tuple[int, int]  # (H, W) of the image in pixels


class PredictedMasks(NamedTuple):
    """K masks of N prompts, those of each prompt one after the other."""

    logits: Tensor  # (K, S / 4, S / 4) float32
    predicted_iou: Tensor  # (K,) float32
    prompt: Tensor  # (K,) long, the index of each mask's prompt


class ImageNetwork:
    """A model in one number format of `PRECISIONS`. Raises ValueError for another one."""

    def __init__(self, model: Network, precision: str) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}, expected {' or '.join(PRECISIONS)}")
        self._model = model
        self._precision = precision
        self.device = model.device
        self.image_size = model.config.image_size

    @torch.inference_mode()
    def encode(self, rgb: np.ndarray) -> EncodedImage:
        """Encode an image (H, W, 3) uint8. Raises TypeError or ValueError for anything else."""
        image = preprocess_unrounded(rgb, self.image_size, self.device)
        with autocast(self.device, self._precision):
            features = self._model.encode_image(image)
        return self.with_features(features, rgb.shape[:2])

    @torch.inference_mode()
    def with_features(self, features: ImageFeatures, size: tuple[int, int]) -> EncodedImage:
        """An image of `size` (H, W) that is encoded already."""
        return EncodedImage(features, self._model.without_memory(features), size)

    @torch.inference_mode()
    def decode(
        self, image: EncodedImage, prompts: PromptTensors, multimask: bool, above_iou: float = -math.inf
    ) -> PredictedMasks:
        """Three masks of each prompt, or the single one, as far as their predicted IoU is above `above_iou`.

        Prompts without any such mask are not decoded to the end, which saves a part of the work. The single mask is
        one of the three where it is not stable.
        """
        size = len(prompts.points) if self.device.type != "cpu" else _CPU_BATCH
        parts = []
        for start in range(0, len(prompts.points), size):
            batch = _rows(prompts, slice(start, start + size))
            with autocast(self.device, self._precision):
                part = self._decode(image, batch, multimask, above_iou)
            parts.append(part._replace(prompt=part.prompt + start))
        return PredictedMasks(*(torch.cat(pieces) for pieces in zip(*parts)))

    def _decode(self, image: EncodedImage, prompts: PromptTensors, multimask: bool, above_iou: float) -> PredictedMasks:
        transformed = self._model.transform(image.conditioned, prompts)
        # Any of the four masks may become the single one.
        possible = transformed.predicted_iou[:, 1:] if multimask else transformed.predicted_iou
        (rows,) = (possible.float() > above_iou).any(dim=1).nonzero(as_tuple=True)
        if not len(rows):
            side = self.image_size // 4
            none = torch.empty(0, side, side, device=self.device)
            return PredictedMasks(none, none[:, 0, 0], rows)
        transformed = transformed.of(rows)
        logits = self._model.predict_masks(image.features, transformed)
        iou = transformed.predicted_iou.float()
        if multimask:
            logits, iou = logits[:, 1:], iou[:, 1:]
        else:
            candidates = MaskCandidates(logits, iou, transformed.tokens, transformed.occlusion_score)
            chosen = torch.arange(len(rows), device=self.device), choose_by_stability(candidates)
            logits, iou = logits[chosen][:, None], iou[chosen][:, None]
        keep = iou > above_iou
        return PredictedMasks(logits[keep].float(), iou[keep], rows[:, None].expand_as(keep)[keep])


def _rows(prompts: PromptTensors, rows: slice) -> PromptTensors:
    logits = prompts.mask_logits
    return PromptTensors(prompts.points[rows], prompts.labels[rows], None if logits is None else logits[rows])
