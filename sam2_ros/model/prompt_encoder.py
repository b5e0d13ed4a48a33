"""The prompt encoder of SAM (Kirillov et al. 2023): sparse prompts as tokens, a mask as a dense embedding."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .layers import Embedding, LayerNorm2d
from .position_encoding import RandomPositionEncoding


class PointLabel(IntEnum):
    """The meaning of a point of a prompt."""

    PADDING = -1
    NEGATIVE = 0
    POSITIVE = 1
    BOX_TOP_LEFT = 2
    BOX_BOTTOM_RIGHT = 3


class PromptTensors(NamedTuple):
    """Prompts for N objects; box corners come before clicks."""

    points: Tensor  # (N, L, 2) x, y in pixels of the square input
    labels: Tensor  # (N, L) long, PointLabel
    mask_logits: Tensor | None = None  # (N, 1, S / 4, S / 4) an earlier output to refine
    valid: Tensor | None = None  # (N, L) bool, None where all points are; the others are padding that is masked out
    mask_valid: Tensor | None = None  # (N,) bool, None where all objects have an earlier output


class PromptEncoder(nn.Module):
    """Turns prompts into the inputs of the mask decoder."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        self.grid = config.grid
        self.pe_layer = RandomPositionEncoding(config.width)
        self.point_embeddings = nn.ModuleList(Embedding(1, config.width) for label in PointLabel if label >= 0)
        self.not_a_point_embed = Embedding(1, config.width)
        self.no_mask_embed = Embedding(1, config.width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=2, stride=2),
            LayerNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 16, kernel_size=2, stride=2),
            LayerNorm2d(16),
            nn.GELU(),
            nn.Conv2d(16, config.width, kernel_size=1),
        )

    def encode_points(self, prompts: PromptTensors) -> Tensor:
        """(N, L + 1, C): one token per point, and a padding token, with which the network was trained.

        Of prompts without points, which are masks alone, (N, 0, C).
        """
        # A click means the centre of its pixel.
        position: Tensor = self.pe_layer((prompts.points.float() + 0.5) / self.image_size)
        labels = prompts.labels.unsqueeze(-1)
        table = torch.cat([embedding.get_parameter("weight") for embedding in self.point_embeddings])
        padding = self.not_a_point_embed.weight
        if not prompts.points.shape[1]:
            return position
        tokens = torch.where(labels >= 0, position + table[prompts.labels.clamp(min=0)], padding)
        return torch.cat((tokens, padding.expand(tokens.shape[0], 1, -1)), dim=1)

    def token_mask(self, prompts: PromptTensors) -> Tensor | None:
        """(N, L + 1) bool: False for tokens of `encode_points` that are masked out; None where there are none."""
        return None if prompts.valid is None else F.pad(prompts.valid, (0, 1), value=True)

    def no_points(self, count: int) -> Tensor:
        """(count, 2, C): the tokens of a prompt without points."""
        return self.not_a_point_embed.weight.expand(count, 2, -1)

    def encode_mask(self, mask_logits: Tensor | None, valid: Tensor | None = None) -> Tensor:
        """(N, 1, S / 4, S / 4) or None -> (N or 1, C, S / 16, S / 16); as for None where not `valid` (N,)"""
        no_mask = self.no_mask_embed.weight[..., None, None].expand(1, -1, self.grid, self.grid)
        if mask_logits is None:
            return no_mask
        dense = self.mask_downscaling(mask_logits)
        return dense if valid is None else torch.where(valid[:, None, None, None], dense, no_mask)
