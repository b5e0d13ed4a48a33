"""The mask decoder of SAM, to which SAM 2 adds the occlusion score: tokens ask the image, the image the tokens."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .image_encoder import ImageFeatures
from .layers import Attention, ChannelNorm, Mlp, parameter

_LAYERS = 2
_HEADS = 8
_FEEDFORWARD = 2048
_IOU_WIDTH = 256
_MASKS = 4  # one for clear prompts, three for ambiguous ones
_STABILITY_MARGIN = 0.05  # logits
_STABLE_IOU = 0.98


class Candidates(NamedTuple):
    """All four answers of the decoder for N objects."""

    logits: Tensor  # (N, 4, S / 4, S / 4)
    predicted_iou: Tensor  # (N, 4) in 0..1
    tokens: Tensor  # (N, 4, C)
    occlusion_score: Tensor  # (N, 1) logit, positive where the object is in view


class TwoWayLayer(nn.Module):
    """Tokens attend to themselves and to the image, pass an MLP, then the image attends to the tokens."""

    def __init__(self, width: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.among_tokens = Attention(width, _HEADS)
        self.norm1 = nn.LayerNorm(width)
        self.to_image = Attention(width, _HEADS, width // 2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, _FEEDFORWARD, width)
        self.norm3 = nn.LayerNorm(width)
        self.from_image = Attention(width, _HEADS, width // 2)
        self.norm4 = nn.LayerNorm(width)

    def forward(
        self, tokens: Tensor, image: Tensor, origin: Tensor, place: Tensor, seen: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Tokens (N, L, C) and image (N, hw, C); `origin` and `place` are added to them where they are matched.

        `seen` (N, 1, 1, L) is False for tokens that nothing attends to.
        """
        if self.first:
            tokens = self.among_tokens(tokens, tokens, tokens, seen)
        else:
            named = tokens + origin
            tokens = tokens + self.among_tokens(named, named, tokens, seen)
        tokens = self.norm1(tokens)
        tokens = self.norm2(tokens + self.to_image(tokens + origin, image + place, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.from_image(image + place, tokens + origin, tokens, seen))
        return tokens, image


class MaskDecoder(nn.Module):
    """Answers prompts on conditioned features."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.occlusion_token = parameter(1, width)
        self.iou_token = parameter(1, width)
        self.mask_tokens = parameter(_MASKS, width)
        self.layers = nn.ModuleList(TwoWayLayer(width, first=i == 0) for i in range(_LAYERS))
        self.last_look = Attention(width, _HEADS, width // 2)
        self.norm = nn.LayerNorm(width)
        self.to_half = nn.ConvTranspose2d(width, width // 4, kernel_size=2, stride=2)
        self.half_norm = ChannelNorm(width // 4)
        self.to_fine = nn.ConvTranspose2d(width // 4, width // 8, kernel_size=2, stride=2)
        self.mask_heads = nn.ModuleList(Mlp(width, width, width, width // 8) for _ in range(_MASKS))
        self.iou_head = Mlp(width, _IOU_WIDTH, _IOU_WIDTH, _MASKS)
        self.occlusion_head = Mlp(width, width, width, 1)

    def forward(
        self,
        conditioned: Tensor,
        features: ImageFeatures,
        prompt_tokens: Tensor,
        dense: Tensor,
        place: Tensor,
        token_mask: Tensor | None = None,
    ) -> Candidates:
        """
        conditioned (N or 1, C, h, w), prompt_tokens (N, L, C), dense (N or 1, C, h, w), place (h * w, C),
        token_mask (N, L) bool, which prompt tokens are to be seen, None for all
        """
        own = torch.cat((self.occlusion_token, self.iou_token, self.mask_tokens))
        origin = torch.cat((own.expand(prompt_tokens.shape[0], -1, -1), prompt_tokens), dim=1)
        map_ = conditioned + dense
        height, width = map_.shape[-2:]
        image = map_.flatten(2).transpose(1, 2).expand(origin.shape[0], -1, -1)

        seen = None if token_mask is None else F.pad(token_mask, (len(own), 0), value=True)[:, None, None]

        tokens = origin
        for layer in self.layers:
            tokens, image = layer(tokens, image, origin, place, seen)
        tokens = self.norm(tokens + self.last_look(tokens + origin, image + place, image))

        mask_tokens = tokens[:, 2 : 2 + _MASKS]
        map_ = image.transpose(1, 2).unflatten(2, (height, width))
        half = F.gelu(self.half_norm(self.to_half(map_) + features.half))
        fine = F.gelu(self.to_fine(half) + features.fine)
        filters = torch.stack([head(mask_tokens[:, i]) for i, head in enumerate(self.mask_heads)], dim=1)
        logits = (filters @ fine.flatten(2)).unflatten(2, fine.shape[-2:])
        return Candidates(logits, self.iou_head(tokens[:, 1]).sigmoid(), mask_tokens, self.occlusion_head(tokens[:, 0]))


def choose_ambiguous(candidates: Candidates) -> Tensor:
    """(N,) the surest of the last three candidates, by predicted IoU."""
    return candidates.predicted_iou[:, 1:].argmax(dim=1) + 1


def choose_clear(candidates: Candidates) -> Tensor:
    """(N,) the first candidate, or the surest other one where its outline hangs on the threshold."""
    logits = candidates.logits[:, 0].flatten(1)
    inner = (logits > _STABILITY_MARGIN).sum(dim=1)
    outer = (logits > -_STABILITY_MARGIN).sum(dim=1)
    stable = inner >= _STABLE_IOU * outer
    return torch.where(stable, 0, choose_ambiguous(candidates))
