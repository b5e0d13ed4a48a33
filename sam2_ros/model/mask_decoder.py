"""The mask decoder of SAM, to which SAM 2 adds the occlusion score and high-resolution features."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .image_encoder import ImageFeatures
from .layers import MLP, Attention, Embedding, LayerNorm2d

_LAYERS = 2
_HEADS = 8
_FEEDFORWARD = 2048
_IOU_WIDTH = 256
_MASKS = 4  # one for unambiguous prompts, three for ambiguous ones
_STABILITY_MARGIN = 0.05  # logits
_STABLE_IOU = 0.98


class MaskCandidates(NamedTuple):
    """All four masks of the decoder for N objects."""

    logits: Tensor  # (N, 4, S / 4, S / 4)
    predicted_iou: Tensor  # (N, 4) in 0..1
    tokens: Tensor  # (N, 4, C) output token of each mask
    occlusion_score: Tensor  # (N, 1) logit, positive where the object is in view


class TransformedPrompts(NamedTuple):
    """What the decoder's transformer says of N objects; masks are predicted from it."""

    image: Tensor  # (N, C, h, w)
    tokens: Tensor  # (N, 4, C) output token of each mask
    predicted_iou: Tensor  # (N, 4) in 0..1
    occlusion_score: Tensor  # (N, 1) logit, positive where the object is in view

    def of(self, rows: Tensor) -> TransformedPrompts:
        """That of some objects: `rows` are their indices, or (N,) bool."""
        return TransformedPrompts(*(x[rows] for x in self))


class TwoWayAttentionBlock(nn.Module):
    """Token self-attention, token-to-image attention, an MLP on tokens, image-to-token attention."""

    def __init__(self, width: int, skip_first_layer_pe: bool) -> None:
        super().__init__()
        self.skip_first_layer_pe = skip_first_layer_pe
        self.self_attn = Attention(width, _HEADS)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, _HEADS, width // 2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, _FEEDFORWARD, width)
        self.norm3 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, _HEADS, width // 2)
        self.norm4 = nn.LayerNorm(width)

    def forward(
        self, tokens: Tensor, image: Tensor, query_pe: Tensor, key_pe: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Tokens (N, L, C) and image (N or 1, hw, C), to which `query_pe` and `key_pe` are added as queries and keys.

        `mask` (N, 1, 1, L) is False for tokens that nothing attends to.
        """
        if self.skip_first_layer_pe:
            tokens = self.self_attn(tokens, tokens, tokens, mask)
        else:
            query = tokens + query_pe
            tokens = tokens + self.self_attn(query, query, tokens, mask)
        tokens = self.norm1(tokens)
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + query_pe, image + key_pe, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.cross_attn_image_to_token(image + key_pe, tokens + query_pe, tokens, mask))
        return tokens, image


class TwoWayTransformer(nn.Module):
    """Tokens and image attend to each other in both directions; at the end the tokens once more to the image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayAttentionBlock(width, skip_first_layer_pe=i == 0) for i in range(_LAYERS))
        self.final_attn_token_to_image = Attention(width, _HEADS, width // 2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, image: Tensor, key_pe: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Tokens (N, L, C), image (N or 1, hw, C) and its position encoding (hw, C), mask as in `TwoWayAttentionBlock`.

        An image that all objects share is projected once in the first layer.
        """
        query_pe = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, query_pe, key_pe, mask)
        attended = self.final_attn_token_to_image(tokens + query_pe, image + key_pe, image)
        return self.norm_final_attn(tokens + attended), image


class MaskDecoder(nn.Module):
    """Predicts masks from conditioned features and prompt tokens.

    `conv_s0` and `conv_s1` project the high-resolution features. They run in the image encoder, once per image.
    """

    def __init__(self, config: ModelConfig, conv_s0: nn.Conv2d, conv_s1: nn.Conv2d) -> None:
        super().__init__()
        width = config.width
        self.conv_s0 = conv_s0
        self.conv_s1 = conv_s1
        self.obj_score_token = Embedding(1, width)
        self.iou_token = Embedding(1, width)
        self.mask_tokens = Embedding(_MASKS, width)
        self.transformer = TwoWayTransformer(width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, kernel_size=2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(width, width, width, width // 8) for _ in range(_MASKS))
        self.iou_prediction_head = MLP(width, _IOU_WIDTH, _IOU_WIDTH, _MASKS)
        self.pred_obj_score_head = MLP(width, width, width, 1)

    def forward(
        self,
        conditioned: Tensor,
        features: ImageFeatures,
        prompt_tokens: Tensor,
        dense: Tensor,
        image_pe: Tensor,
        token_mask: Tensor | None = None,
    ) -> MaskCandidates:
        """All masks of N objects; the inputs are those of `transform` and `predict_masks`."""
        transformed = self.transform(conditioned, prompt_tokens, dense, image_pe, token_mask)
        logits = self.predict_masks(transformed, features)
        return MaskCandidates(logits, transformed.predicted_iou, transformed.tokens, transformed.occlusion_score)

    def transform(
        self,
        conditioned: Tensor,
        prompt_tokens: Tensor,
        dense: Tensor,
        image_pe: Tensor,
        token_mask: Tensor | None = None,
    ) -> TransformedPrompts:
        """Everything but the masks.

        conditioned (N or 1, C, h, w), prompt_tokens (N, L, C), dense (N or 1, C, h, w), image_pe (h * w, C);
        token_mask (N, L) bool is False for prompt tokens that are ignored, None where there are none.
        """
        output_tokens = torch.cat((self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight))
        tokens = torch.cat((output_tokens.expand(prompt_tokens.shape[0], -1, -1), prompt_tokens), dim=1)
        embedding = conditioned + dense
        image = embedding.flatten(2).transpose(1, 2)
        mask = None if token_mask is None else F.pad(token_mask, (len(output_tokens), 0), value=True)[:, None, None]
        tokens, image = self.transformer(tokens, image, image_pe, mask)
        return TransformedPrompts(
            image.transpose(1, 2).unflatten(2, embedding.shape[-2:]),
            tokens[:, 2 : 2 + _MASKS],
            self.iou_prediction_head(tokens[:, 1]).sigmoid(),
            self.pred_obj_score_head(tokens[:, 0]),
        )

    def predict_masks(self, transformed: TransformedPrompts, features: ImageFeatures) -> Tensor:
        """(N, 4, 4 h, 4 w) mask logits"""
        upscaled = self._upscale(transformed.image, features)
        weights = [mlp(transformed.tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)]
        masks: Tensor = (torch.stack(weights, dim=1) @ upscaled.flatten(2)).unflatten(2, upscaled.shape[-2:])
        return masks

    def _upscale(self, image: Tensor, features: ImageFeatures) -> Tensor:
        """(N, C, h, w) -> (N, C / 8, 4 h, 4 w), with the high-resolution features added on the way"""
        conv1, norm, gelu1, conv2, gelu2 = self.output_upscaling
        upscaled: Tensor = gelu2(conv2(gelu1(norm(conv1(image) + features.stride8))) + features.stride4)
        return upscaled


def choose_by_iou(candidates: MaskCandidates) -> Tensor:
    """(N,) of the last three masks the one with the best predicted IoU, for ambiguous prompts."""
    return candidates.predicted_iou[:, 1:].argmax(dim=1) + 1


def choose_by_stability(candidates: MaskCandidates) -> Tensor:
    """(N,) the first mask, for unambiguous prompts; as `choose_by_iou` where its outline is unstable."""
    logits = candidates.logits[:, 0].flatten(1)
    inner = (logits > _STABILITY_MARGIN).sum(dim=1)
    outer = (logits > -_STABILITY_MARGIN).sum(dim=1)
    stable = inner >= _STABLE_IOU * outer
    return torch.where(stable, 0, choose_by_iou(candidates))
