"""From the trunk's four maps to the features that the rest of the network reads."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig


class ImageFeatures(NamedTuple):
    """One encoded image; the batch may be 1 where several objects share it."""

    coarse: Tensor  # (B, C, S / 16, S / 16)
    half: Tensor  # (B, C / 4, S / 8, S / 8), for the mask decoder
    fine: Tensor  # (B, C / 8, S / 4, S / 4), for the mask decoder


class Neck(nn.Module):
    """A feature pyramid (Lin et al. 2017) in which only stride 16 receives something from above."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, config.width, 1) for width in config.trunk.widths)
        self.to_half = nn.Conv2d(config.width, config.width // 4, 1)
        self.to_fine = nn.Conv2d(config.width, config.width // 8, 1)

    def forward(self, maps: list[Tensor]) -> ImageFeatures:
        """Maps of strides 4, 8, 16, 32 -> ImageFeatures"""
        to_fine, to_half, to_coarse, to_coarser = self.lateral
        above = F.interpolate(_project(maps[3], to_coarser).float(), scale_factor=2.0, mode="nearest")
        return ImageFeatures(
            _project(maps[2], to_coarse) + above,
            _project(maps[1], to_half, self.to_half),
            _project(maps[0], to_fine, self.to_fine),
        )


def _project(x: Tensor, first: nn.Module, second: nn.Module | None = None) -> Tensor:
    """(B, C, H, W) through one convolution of a single pixel, or two of them at the price of one."""
    weight: Tensor = first.get_parameter("weight").flatten(1)
    bias: Tensor = first.get_parameter("bias")
    if second is not None:
        outer = second.get_parameter("weight").flatten(1)
        weight, bias = outer @ weight, outer @ bias + second.get_parameter("bias")
    return F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)
