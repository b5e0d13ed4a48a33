"""The memory of objects as tensors, and as the tokens that memory attention attends to."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import NUM_RECENT_POINTERS, ModelConfig
from .position_encoding import sine_1d, sine_grid


class PooledMemory(NamedTuple):
    """Spatial memories in a quarter of the tokens, see `pool`."""

    tokens: Tensor  # (N, K, h * w / 4, 64)
    row: Tensor  # (N, K) long, of the temporal table
    valid: Tensor | None = None  # (N, K) bool, None where all are valid


class Memory(NamedTuple):
    """The memory of N objects. The order of entries does not matter; invalid entries are ignored."""

    spatial: Tensor  # (N, K, h * w, 64)
    # Row of the temporal table: k - 1 for k frames ago, the last one for prompted frames.
    spatial_row: Tensor  # (N, K) long
    pointers: Tensor  # (N, P, C)
    pointer_age: Tensor  # (N, P) frames ago
    spatial_valid: Tensor | None = None  # (N, K) bool, None where all are valid
    pointer_valid: Tensor | None = None  # (N, P) bool, likewise
    pooled: PooledMemory | None = None  # further spatial memories


def pool(memory: Tensor) -> Tensor:
    """(N, h * w, C) -> (N, h * w / 4, C), the mean of each 2 x 2 tokens of a square"""
    side = math.isqrt(memory.shape[1])
    square = memory.transpose(1, 2).unflatten(2, (side, side))
    return F.avg_pool2d(square, kernel_size=2).flatten(2).transpose(1, 2)


class MemoryTokens(NamedTuple):
    """The M tokens of a memory: spatial tokens, then pooled ones, then those of the object pointers."""

    values: Tensor  # (N, M, 64)
    keys: Tensor  # (N, M, 64) values with their position and temporal encodings
    counts: list[int]  # of these three kinds
    mask: Tensor | None  # (N, 1, 1, M) bool, False for tokens that are ignored


class MemoryTokenizer(nn.Module):
    """Turns a memory into tokens; it has constants only, the learned encodings are given."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.spatial_pe: Tensor
        self.pooled_pe: Tensor
        self.register_buffer("spatial_pe", sine_grid(config.grid, config.memory_width), persistent=False)
        # A pooled token is at the centre of its four.
        self.register_buffer("pooled_pe", pool(self.spatial_pe[None])[0], persistent=False)

    def forward(self, memory: Memory, tpos_enc: Tensor, obj_ptr_tpos_proj: nn.Linear | None) -> MemoryTokens:
        """`tpos_enc` (rows, 1, 1, 64) is the temporal table, `obj_ptr_tpos_proj` projects the age of pointers."""
        splits = self.config.pointer_tokens
        pointers = memory.pointers.unflatten(2, (splits, -1)).flatten(1, 2)
        values = [memory.spatial.flatten(1, 2).to(pointers.dtype), pointers[:, :0], pointers]
        encodings = [
            _spatial_encoding(self.spatial_pe, tpos_enc, memory.spatial_row),
            values[1],
            self._pointer_encoding(memory, obj_ptr_tpos_proj).repeat_interleave(splits, dim=1),
        ]
        if memory.pooled:
            values[1] = memory.pooled.tokens.flatten(1, 2).to(pointers.dtype)
            encodings[1] = _spatial_encoding(self.pooled_pe, tpos_enc, memory.pooled.row)
        joined = torch.cat(values, dim=1)
        return MemoryTokens(
            values=joined,
            keys=joined + torch.cat(encodings, dim=1),
            counts=[part.shape[1] for part in values],
            mask=self._mask(memory),
        )

    def _pointer_encoding(self, memory: Memory, obj_ptr_tpos_proj: nn.Linear | None) -> Tensor:
        """(N, P, 64) encoding of the age of each pointer, zeros in SAM 2.0."""
        if obj_ptr_tpos_proj is None:
            return memory.pointers.new_zeros(*memory.pointer_age.shape, self.config.memory_width)
        encoding: Tensor = obj_ptr_tpos_proj(sine_1d(memory.pointer_age / NUM_RECENT_POINTERS, self.config.width))
        return encoding

    def _mask(self, memory: Memory) -> Tensor | None:
        groups = [
            (memory.spatial_valid, memory.spatial_row, memory.spatial.shape[2]),
            (memory.pointer_valid, memory.pointer_age, self.config.pointer_tokens),
        ]
        if memory.pooled:
            groups.insert(1, (memory.pooled.valid, memory.pooled.row, memory.pooled.tokens.shape[2]))
        if all(valid is None for valid, _, _ in groups):
            return None
        known = [torch.ones_like(entry, dtype=torch.bool) if valid is None else valid for valid, entry, _ in groups]
        valid = [valid.repeat_interleave(tokens, dim=1) for valid, (_, _, tokens) in zip(known, groups)]
        return torch.cat(valid, dim=1)[:, None, None]


def _spatial_encoding(position: Tensor, tpos_enc: Tensor, row: Tensor) -> Tensor:
    """(N, K * L, 64) from positions (L, 64) and rows (N, K) of the temporal table."""
    return (position + tpos_enc[row][..., 0, :]).flatten(1, 2)
