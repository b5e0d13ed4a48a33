"""Where things are: sine, random Fourier and rotary encodings of position, and of time.

All are computed in float32, whatever the surrounding precision: bfloat16 would move a click by pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .parameter_cache import ParameterCache

_TEMPERATURE = 10000.0


def _wavelengths(count: int, device: torch.device | None) -> Tensor:
    """(count,) geometric progression in which a sine and the cosine beside it share a wavelength."""
    pair = torch.arange(count, device=device) // 2
    return _TEMPERATURE ** (2.0 * pair / count)


def sine_grid(grid: int, width: int, device: torch.device | None = None) -> Tensor:
    """(grid * grid, width) encoding of row (first half) and column, each from 0 to 2 pi (Vaswani et al. 2017)."""
    place = torch.arange(1, grid + 1, device=device) / (grid + 1e-6) * 2 * math.pi
    angle = place[:, None] / _wavelengths(width // 2, device)
    line = torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=-1).flatten(1)
    rows = line[:, None].expand(grid, grid, -1)
    return torch.cat((rows, rows.transpose(0, 1)), dim=-1).flatten(0, 1)


def sine_distance(distance: Tensor, width: int) -> Tensor:
    """(...,) -> (..., width): all sines, then all cosines."""
    angle = distance.float().unsqueeze(-1) / _wavelengths(width // 2, distance.device)
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


class FourierEncoding(nn.Module):
    """Random Fourier features of points in the unit square (Tancik et al. 2020)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.randn(2, width // 2))
        self._grid = ParameterCache()

    def forward(self, points: Tensor) -> Tensor:
        """(..., 2) x, y in 0..1 -> (..., width)"""
        with torch.autocast(points.device.type, enabled=False):
            angle = 2 * math.pi * ((2 * points.float() - 1) @ self.frequencies.float())
            return torch.cat((angle.sin(), angle.cos()), dim=-1)

    def grid(self, side: int) -> Tensor:
        """(side * side, width) encoding of the centres of a grid of cells."""
        return self._grid(lambda: self._centres(side), (self.frequencies,), side)

    def _centres(self, side: int) -> Tensor:
        centre = (torch.arange(side, device=self.frequencies.device) + 0.5) / side
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        return self(torch.stack((x, y), dim=-1)).flatten(0, 1)


class Rotation(NamedTuple):
    """Cosine and sine (L, D / 2) by which pairs of channels are turned, per token."""

    cos: Tensor
    sin: Tensor


def axial_rotation(grid: int, width: int, device: torch.device | None = None, cell: int = 1) -> Rotation:
    """Rotary encoding of a grid: half of the channel pairs turn with x, half with y (Heo et al. 2024).

    Each token is in the middle of `cell` x `cell` places.
    """
    frequency = _TEMPERATURE ** (-torch.arange(0, width, 4, device=device)[: width // 4] / width)
    token = torch.arange(grid * grid, device=device)
    column, line = token % grid, torch.div(token, grid, rounding_mode="floor")
    x, y = (place * cell + (cell - 1) / 2 for place in (column, line))
    angle = torch.cat((torch.outer(x, frequency), torch.outer(y, frequency)), dim=-1)
    return Rotation(angle.cos(), angle.sin())


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn each channel of the first half of (..., L, D) with its partner in the second half."""
    first, second = x.float().chunk(2, dim=-1)
    turned = (first * rotation.cos - second * rotation.sin, first * rotation.sin + second * rotation.cos)
    return torch.cat(turned, dim=-1).to(x.dtype)
