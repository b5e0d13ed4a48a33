"""SAM 2 as four operations on tensors: encode an image, read a memory, decode a prompt, write a memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .chunked_attention import Chunkable
from .config import ABSENT_LOGIT, NUM_MASKMEM, ModelConfig
from .image_encoder import ImageEncoder, ImageFeatures
from .layers import MLP, parameter, resize
from .mask_decoder import MaskCandidates, MaskDecoder, TransformedPrompts, choose_by_iou, choose_by_stability
from .memory import Memory, MemoryTokenizer
from .memory_attention import MemoryAttention, RotaryProjection
from .memory_encoder import MemoryEncoder
from .prompt_encoder import PromptEncoder, PromptTensors

_MEMORY_LOGIT = 10.0  # masks are in -10..10 in the memory encoder's input and in the output of mask prompts


Choice = Callable[[MaskCandidates], Tensor]  # (N,) which of the four masks is the output


class Decoded(NamedTuple):
    """The output for N objects on one frame."""

    logits: Tensor  # (N, 1, S / 4, S / 4) float32, ABSENT_LOGIT everywhere where the object is not in view
    predicted_iou: Tensor  # (N,) of the chosen mask
    occlusion_score: Tensor  # (N, 1) logit, positive where the object is in view
    pointer: Tensor  # (N, C)
    candidates: MaskCandidates  # all masks of the decoder, before occlusion masking


class Sam2(nn.Module):
    """The whole network. Its parameters have the names of the official checkpoints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        # The order of construction decides which weights a seed draws: the golden numbers depend on it.
        self.image_encoder = ImageEncoder(config)
        conv_s1 = nn.Conv2d(width, width // 4, 1)
        conv_s0 = nn.Conv2d(width, width // 8, 1)
        self.memory_tokenizer = MemoryTokenizer(config)
        self.maskmem_tpos_enc = parameter(NUM_MASKMEM, 1, 1, config.memory_width)
        self.memory_attention = MemoryAttention(config)
        # SAM 2.0 does not encode the age of object pointers.
        self.obj_ptr_tpos_proj = nn.Linear(width, config.memory_width) if config.version == "2.1" else None
        self.sam_prompt_encoder = PromptEncoder(config)
        self.sam_mask_decoder = MaskDecoder(config, conv_s0, conv_s1)
        self.memory_encoder = MemoryEncoder(config)
        self.obj_ptr_proj = MLP(width, width, width, width)
        self.no_obj_ptr = parameter(1, width)
        self.no_mem_embed = parameter(1, 1, width)
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        # SAM 2.0 does not mark memories in which the object is not in view.
        self.no_obj_embed_spatial = parameter(1, config.memory_width) if config.version == "2.1" else None

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.no_mem_embed.device

    def freeze(self) -> Sam2:
        """Prepare for inference: no gradients, rotary projections permuted once, chunks on a CPU.

        Rotary projections do not follow later changes of their parameters, except those by loading a state dict.
        """
        for module in self.modules():
            if isinstance(module, RotaryProjection):
                module.freeze()
        return self.set_chunked(True).eval().requires_grad_(False)

    def set_chunked(self, is_chunked: bool) -> Sam2:
        """Whether to work in chunks on a CPU: faster for inference, not for training; off at first."""
        for module in self.modules():
            if isinstance(module, Chunkable):
                module.is_chunked = is_chunked
        return self

    def encode_image(self, image: Tensor) -> ImageFeatures:
        """(B, 3, S, S) normalised RGB -> ImageFeatures"""
        features: ImageFeatures = self.image_encoder(
            image, self.sam_mask_decoder.conv_s0, self.sam_mask_decoder.conv_s1
        )
        return features

    def without_memory(self, features: ImageFeatures) -> Tensor:
        """(B, C, h, w) features of a frame on which an object is first prompted by points."""
        return features.stride16 + self.no_mem_embed[..., None].transpose(1, 2)

    def read_memory(self, features: ImageFeatures, memory: Memory) -> Tensor:
        """(N, C, h, w) features conditioned on the memory of N objects."""
        tokens = self.memory_tokenizer(memory, self.maskmem_tpos_enc, self.obj_ptr_tpos_proj)
        conditioned: Tensor = self.memory_attention(features.stride16, tokens)
        return conditioned

    def decode(
        self,
        conditioned: Tensor,
        features: ImageFeatures,
        prompts: PromptTensors | None,
        multimask: bool,
        choose: Choice = choose_by_iou,
    ) -> Decoded:
        """Masks of N objects from conditioned features (N or 1, C, h, w).

        With `multimask`, for at most one point, `choose` chooses among three masks. Several points or a box are
        unambiguous: the single mask is the output.
        """
        return self.select_mask(self.candidates(conditioned, features, prompts), multimask, choose)

    def candidates(self, conditioned: Tensor, features: ImageFeatures, prompts: PromptTensors | None) -> MaskCandidates:
        """The first half of `decode`: all masks of N objects."""
        tokens, dense, token_mask = self._encode_prompts(prompts, conditioned.shape[0])
        return self._candidates(conditioned, features, tokens, dense, token_mask)

    def transform(self, conditioned: Tensor, prompts: PromptTensors) -> TransformedPrompts:
        """All that `candidates` says but the masks, so that only those of a good predicted IoU need be made."""
        tokens, dense, token_mask = self._encode_prompts(prompts, conditioned.shape[0])
        image_pe = self.sam_prompt_encoder.pe_layer.grid(conditioned.shape[-1])
        return self.sam_mask_decoder.transform(conditioned, tokens, dense, image_pe, token_mask)

    def predict_masks(self, features: ImageFeatures, transformed: TransformedPrompts) -> Tensor:
        """(N, 4, S / 4, S / 4) logits of what `transform` gave."""
        return self.sam_mask_decoder.predict_masks(transformed, features)

    def select_mask(self, candidates: MaskCandidates, multimask: bool, choose: Choice = choose_by_iou) -> Decoded:
        """The second half of `decode`: one mask of each object."""
        present = candidates.occlusion_score > 0
        rows = torch.arange(present.shape[0], device=present.device)
        best = choose(candidates) if multimask else choose_by_stability(candidates)
        logits = torch.where(present[..., None], candidates.logits[rows, best].float(), ABSENT_LOGIT)
        # Where stability chooses another mask, the pointer is still that of the single one.
        sam_token = candidates.tokens[rows, best] if multimask else candidates.tokens[:, 0]
        return Decoded(
            logits.unsqueeze(1),
            candidates.predicted_iou[rows, best],
            candidates.occlusion_score,
            self._pointer(sam_token, present),
            candidates,
        )

    def decode_mask_prompt(self, features: ImageFeatures, mask: Tensor) -> Decoded:
        """The mask (N, 1, S, S) of zeros and ones is the output; the decoder only provides its pointer."""
        tokens = self.sam_prompt_encoder.no_points(mask.shape[0])
        dense = self.sam_prompt_encoder.encode_mask(self.mask_downsample(mask))
        candidates = self._candidates(features.stride16, features, tokens, dense)
        not_empty = mask.flatten(1).any(dim=1, keepdim=True)
        present = not_empty & (candidates.occlusion_score > 0)
        logits = resize(as_logits(mask), mask.shape[-1] // 4, antialias=True)
        score = as_logits(not_empty.float())
        pointer = self._pointer(candidates.tokens[:, 0], present)
        return Decoded(logits, torch.ones_like(score[:, 0]), score, pointer, candidates)

    def write_memory(self, features: ImageFeatures, logits: Tensor, occlusion_score: Tensor, binarise: bool) -> Tensor:
        """(N, h * w, 64) memories of masks (N, 1, S / 4, S / 4); those of prompted frames are binarised first."""
        full = resize(logits, self.config.image_size)
        probability = (full > 0).float() if binarise else full.sigmoid()
        return self.write_probability(features, probability, occlusion_score)

    def write_probability(self, features: ImageFeatures, probability: Tensor, occlusion_score: Tensor) -> Tensor:
        """(N, h * w, 64) memories of masks (N, 1, S, S) in 0..1."""
        memory = self.memory_encoder(features.stride16, as_logits(probability))
        if self.no_obj_embed_spatial is not None:
            absent = (occlusion_score <= 0).to(memory.dtype)
            memory = memory + (absent * self.no_obj_embed_spatial)[..., None, None]
        tokens: Tensor = memory.flatten(2).transpose(1, 2)
        return tokens

    def _encode_prompts(self, prompts: PromptTensors | None, count: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Tokens, dense embedding and token mask of prompts, or of none for `count` objects."""
        encoder = self.sam_prompt_encoder
        if prompts is None:
            return encoder.no_points(count), encoder.encode_mask(None), None
        dense = encoder.encode_mask(prompts.mask_logits, prompts.mask_valid)
        return encoder.encode_points(prompts), dense, encoder.token_mask(prompts)

    def _candidates(
        self,
        conditioned: Tensor,
        features: ImageFeatures,
        tokens: Tensor,
        dense: Tensor,
        token_mask: Tensor | None = None,
    ) -> MaskCandidates:
        image_pe = self.sam_prompt_encoder.pe_layer.grid(conditioned.shape[-1])
        candidates: MaskCandidates = self.sam_mask_decoder(conditioned, features, tokens, dense, image_pe, token_mask)
        return candidates

    def _pointer(self, sam_token: Tensor, present: Tensor) -> Tensor:
        """(N, C) object pointers from output tokens (N, C), that of no object where not `present` (N, 1)."""
        return torch.where(present, self.obj_ptr_proj(sam_token), self.no_obj_ptr)


def as_logits(probability: Tensor) -> Tensor:
    """0..1 -> the range of mask logits in the memory encoder's input and in the output of mask prompts."""
    return probability * (2 * _MEMORY_LOGIT) - _MEMORY_LOGIT
