"""Sine, random Fourier and rotary encodings of position, and of time.

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
    position = torch.arange(1, grid + 1, device=device) / (grid + 1e-6) * 2 * math.pi
    angle = position[:, None] / _wavelengths(width // 2, device)
    line = torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=-1).flatten(1)
    rows = line[:, None].expand(grid, grid, -1)
    return torch.cat((rows, rows.transpose(0, 1)), dim=-1).flatten(0, 1)


def sine_1d(x: Tensor, width: int) -> Tensor:
    """(...,) -> (..., width): all sines, then all cosines."""
    angle = x.float().unsqueeze(-1) / _wavelengths(width // 2, x.device)
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


class RandomPositionEncoding(nn.Module):
    """Random Fourier features of points in the unit square (Tancik et al. 2020)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.positional_encoding_gaussian_matrix: Tensor
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, width // 2))
        self._grid_cache = ParameterCache()

    def forward(self, points: Tensor) -> Tensor:
        """(..., 2) x, y in 0..1 -> (..., width)"""
        with torch.autocast(points.device.type, enabled=False):
            frequencies = self.positional_encoding_gaussian_matrix.float()
            angle = 2 * math.pi * ((2 * points.float() - 1) @ frequencies)
            return torch.cat((angle.sin(), angle.cos()), dim=-1)

    def grid(self, side: int) -> Tensor:
        """(side * side, width) encoding of the centres of a grid of cells."""
        return self._grid_cache(lambda: self._grid(side), (self.positional_encoding_gaussian_matrix,), side)

    def _grid(self, side: int) -> Tensor:
        centre = (torch.arange(side, device=self.positional_encoding_gaussian_matrix.device) + 0.5) / side
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        encodings: Tensor = self(torch.stack((x, y), dim=-1)).flatten(0, 1)
        return encodings


class RotaryTable(NamedTuple):
    """Cosine and sine (L, D / 2) of the angles by which the channel pairs of each token are rotated."""

    cos: Tensor
    sin: Tensor


def axial_rotary_table(grid: int, width: int, device: torch.device | None = None, pooling: int = 1) -> RotaryTable:
    """Rotary encoding of a grid: half of the channel pairs rotate with x, half with y (Heo et al. 2024).

    With `pooling`, each token is at the centre of `pooling` x `pooling` tokens of a finer grid.
    """
    frequency = _TEMPERATURE ** (-torch.arange(0, width, 4, device=device)[: width // 4] / width)
    token = torch.arange(grid * grid, device=device)
    column, row = token % grid, torch.div(token, grid, rounding_mode="floor")
    x, y = (index * pooling + (pooling - 1) / 2 for index in (column, row))
    angle = torch.cat((torch.outer(x, frequency), torch.outer(y, frequency)), dim=-1)
    return RotaryTable(angle.cos(), angle.sin())


def apply_rotary(x: Tensor, table: RotaryTable) -> Tensor:
    """Rotate (..., L, D); the partner of a channel of the first half is the same channel of the second half."""
    first, second = x.float().chunk(2, dim=-1)
    rotated = (first * table.cos - second * table.sin, first * table.sin + second * table.cos)
    return torch.cat(rotated, dim=-1).to(x.dtype)
