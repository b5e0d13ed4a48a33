"""SAM 2 as four operations on tensors: encode an image, read a memory, answer a prompt, write a memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import ABSENT_LOGIT, ModelConfig
from .hiera import Hiera
from .image_encoder import ImageFeatures, Neck
from .layers import Mlp, parameter, resize
from .mask_decoder import Candidates, MaskDecoder, choose_ambiguous, choose_clear
from .memory_attention import Memory, MemoryAttention
from .memory_encoder import MemoryEncoder
from .prompt_encoder import PromptEncoder, PromptTensors

_MEMORY_LOGIT = 10.0  # the memory encoder sees masks between -10 and 10, and so do mask prompts answer


Choice = Callable[[Candidates], Tensor]  # (N,) which of the four candidates is the answer


class Decoded(NamedTuple):
    """The answer for N objects on one frame."""

    logits: Tensor  # (N, 1, S / 4, S / 4) float32, ABSENT_LOGIT everywhere where the object is not in view
    predicted_iou: Tensor  # (N,) of the chosen mask
    occlusion_score: Tensor  # (N, 1) logit, positive where the object is in view
    pointer: Tensor  # (N, C)
    candidates: Candidates  # all masks of the decoder, as they were before the occlusion score had its say


class Sam2(nn.Module):
    """The whole network; parameters are named in our own terms, see `checkpoint.py`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.trunk = Hiera(config.trunk)
        self.neck = Neck(config)
        self.memory_attention = MemoryAttention(config)
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)
        self.memory_encoder = MemoryEncoder(config)
        self.pointer = Mlp(width, width, width, width)
        self.absent_pointer = parameter(1, width)
        self.no_memory = parameter(1, 1, width)
        self.mask_to_logits = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        # SAM 2.0 does not mark in a memory that the object was absent.
        self.absent_memory = parameter(1, config.memory_width) if config.version == "2.1" else None

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.no_memory.device

    def encode_image(self, image: Tensor) -> ImageFeatures:
        """(B, 3, S, S) normalised RGB -> ImageFeatures"""
        return self.neck(self.trunk(image))

    def without_memory(self, features: ImageFeatures) -> Tensor:
        """(B, C, h, w) features of a frame on which an object is first prompted by points."""
        return features.coarse + self.no_memory[..., None].transpose(1, 2)

    def read_memory(self, features: ImageFeatures, memory: Memory) -> Tensor:
        """(N, C, h, w) features conditioned on what N objects are remembered by."""
        return self.memory_attention(features.coarse, memory)

    def decode(
        self,
        conditioned: Tensor,
        features: ImageFeatures,
        prompts: PromptTensors | None,
        multimask: bool,
        choose: Choice = choose_ambiguous,
    ) -> Decoded:
        """Masks of N objects from conditioned features (N or 1, C, h, w).

        `multimask` chooses among three candidates, by predicted IoU unless told otherwise: for none or one point.
        Several points or a box are clear enough for the single mask.
        """
        return self.answer(self.candidates(conditioned, features, prompts), multimask, choose)

    def candidates(self, conditioned: Tensor, features: ImageFeatures, prompts: PromptTensors | None) -> Candidates:
        """The first half of `decode`: all masks of N objects."""
        if prompts is None:
            tokens, token_mask = self.prompt_encoder.no_points(conditioned.shape[0]), None
            dense = self.prompt_encoder.encode_mask(None)
        else:
            tokens, token_mask = self.prompt_encoder.encode_points(prompts), self.prompt_encoder.token_mask(prompts)
            dense = self.prompt_encoder.encode_mask(prompts.mask_logits, prompts.mask_valid)
        return self._candidates(conditioned, features, tokens, dense, token_mask)

    def answer(self, candidates: Candidates, multimask: bool, choose: Choice = choose_ambiguous) -> Decoded:
        """The second half of `decode`: one mask of each object."""
        present = candidates.occlusion_score > 0
        rows = torch.arange(present.shape[0], device=present.device)
        best = choose(candidates) if multimask else choose_clear(candidates)
        logits = torch.where(present[..., None], candidates.logits[rows, best].float(), ABSENT_LOGIT)
        # A fallback to another mask keeps the pointer of the single one.
        speaker = candidates.tokens[rows, best] if multimask else candidates.tokens[:, 0]
        pointer = torch.where(present, self.pointer(speaker), self.absent_pointer)
        return Decoded(
            logits.unsqueeze(1),
            candidates.predicted_iou[rows, best],
            candidates.occlusion_score,
            pointer,
            candidates,
        )

    def decode_mask_prompt(self, features: ImageFeatures, mask: Tensor) -> Decoded:
        """The mask (N, 1, S, S) of zeros and ones is the answer; the decoder only derives its pointer."""
        tokens = self.prompt_encoder.no_points(mask.shape[0])
        dense = self.prompt_encoder.encode_mask(self.mask_to_logits(mask))
        candidates = self._candidates(features.coarse, features, tokens, dense)
        given = mask.flatten(1).any(dim=1, keepdim=True)
        present = given & (candidates.occlusion_score > 0)
        pointer = torch.where(present, self.pointer(candidates.tokens[:, 0]), self.absent_pointer)
        logits = resize(as_logits(mask), mask.shape[-1] // 4, antialias=True)
        score = as_logits(given.float())
        return Decoded(logits, torch.ones_like(score[:, 0]), score, pointer, candidates)

    def write_memory(self, features: ImageFeatures, logits: Tensor, occlusion_score: Tensor, binarise: bool) -> Tensor:
        """(N, h * w, 64) memories of masks (N, 1, S / 4, S / 4); those of prompted frames are binarised first."""
        full = resize(logits, self.config.image_size)
        probability = (full > 0).float() if binarise else full.sigmoid()
        return self.write_probability(features, probability, occlusion_score)

    def write_probability(self, features: ImageFeatures, probability: Tensor, occlusion_score: Tensor) -> Tensor:
        """(N, h * w, 64) memories of masks (N, 1, S, S) from 0 to 1."""
        memory = self.memory_encoder(features.coarse, as_logits(probability))
        if self.absent_memory is not None:
            absent = (occlusion_score <= 0).to(memory.dtype)
            memory = memory + (absent * self.absent_memory)[..., None, None]
        return memory.flatten(2).transpose(1, 2)

    def _candidates(
        self,
        conditioned: Tensor,
        features: ImageFeatures,
        tokens: Tensor,
        dense: Tensor,
        token_mask: Tensor | None = None,
    ) -> Candidates:
        place = self.prompt_encoder.position.grid(conditioned.shape[-1])
        return self.mask_decoder(conditioned, features, tokens, dense, place, token_mask)


def as_logits(probability: Tensor) -> Tensor:
    """0..1 -> the mask logits that the memory encoder sees, and that mask prompts answer."""
    return probability * (2 * _MEMORY_LOGIT) - _MEMORY_LOGIT
