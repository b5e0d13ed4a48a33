"""Prompts as tokens (clicks, box corners) and as a dense map (a mask), as in SAM (Kirillov et al. 2023)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .layers import ChannelNorm, parameter
from .position_encoding import FourierEncoding


class PointLabel(IntEnum):
    """What a point of a prompt stands for."""

    PADDING = -1
    NEGATIVE = 0
    POSITIVE = 1
    BOX_TOP_LEFT = 2
    BOX_BOTTOM_RIGHT = 3


class PromptTensors(NamedTuple):
    """Prompts for N objects; box corners come before clicks."""

    points: Tensor  # (N, L, 2) x, y in pixels of the square input
    labels: Tensor  # (N, L) long, PointLabel
    mask_logits: Tensor | None = None  # (N, 1, S / 4, S / 4) an earlier answer to improve on
    valid: Tensor | None = None  # (N, L) bool, None where all points are; the others only fill up and are not seen
    mask_valid: Tensor | None = None  # (N,) bool, None where all objects have an earlier answer


class PromptEncoder(nn.Module):
    """Turns prompts into what the mask decoder attends to."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        self.grid = config.grid
        self.position = FourierEncoding(config.width)
        self.kinds = nn.ParameterList(parameter(1, config.width) for label in PointLabel if label >= 0)
        self.padding = parameter(1, config.width)
        self.no_mask = parameter(1, config.width)
        self.mask = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=2, stride=2),
            ChannelNorm(4),
            nn.GELU(),
            nn.Conv2d(4, 16, kernel_size=2, stride=2),
            ChannelNorm(16),
            nn.GELU(),
            nn.Conv2d(16, config.width, kernel_size=1),
        )

    def encode_points(self, prompts: PromptTensors) -> Tensor:
        """(N, L + 1, C): a token per point, and one of padding that the network has always seen there."""
        # Clicks mean the centre of their pixel.
        placed = self.position((prompts.points.float() + 0.5) / self.image_size)
        labels = prompts.labels.unsqueeze(-1)
        kinds = torch.cat(tuple(self.kinds))[prompts.labels.clamp(min=0)]
        tokens = torch.where(labels >= 0, placed + kinds, self.padding)
        return torch.cat((tokens, self.padding.expand(tokens.shape[0], 1, -1)), dim=1)

    def token_mask(self, prompts: PromptTensors) -> Tensor | None:
        """(N, L + 1) bool: which of the tokens of `encode_points` are to be seen; None for all."""
        return None if prompts.valid is None else F.pad(prompts.valid, (0, 1), value=True)

    def no_points(self, count: int) -> Tensor:
        """(count, 2, C): the tokens of a prompt without points."""
        return self.padding.expand(count, 2, -1)

    def encode_mask(self, mask_logits: Tensor | None, valid: Tensor | None = None) -> Tensor:
        """(N, 1, S / 4, S / 4) or None -> (N or 1, C, S / 16, S / 16); also None where not `valid` (N,)"""
        nothing = self.no_mask[..., None, None].expand(1, -1, self.grid, self.grid)
        if mask_logits is None:
            return nothing
        dense = self.mask(mask_logits)
        return dense if valid is None else torch.where(valid[:, None, None, None], dense, nothing)
