"""Memory attention: conditions the features of a frame on the memory of each object (SAM 2, section 4)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .chunked_attention import Chunkable, chunked_attention, in_chunks
from .config import ModelConfig
from .layers import Attention
from .memory import MemoryTokens
from .position_encoding import RotaryTable, apply_rotary, axial_rotary_table, sine_grid

_logger = logging.getLogger(__name__)

_CHUNK_KEYS = 512
_POSITION_WEIGHT = 0.1  # of the position encoding that is added to the image tokens


class RotaryTables(NamedTuple):
    """For image and spatial memory tokens, for pooled ones, and for object pointers, which have no position."""

    spatial: RotaryTable
    pooled: RotaryTable
    pointers: None = None


class RotaryProjection(nn.Linear):
    """Projects to queries or keys whose rotary partners are a half of the channels apart, which rotates faster.

    In the parameters, as in checkpoints, partners are adjacent. `freeze` permutes them once, for inference; until
    then, in training, every call does.
    """

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__(in_width, out_width)
        self._frozen_weight: Tensor | None
        self._frozen_bias: Tensor | None
        self.register_buffer("_frozen_weight", None, persistent=False)
        self.register_buffer("_frozen_bias", None, persistent=False)

    @torch.no_grad()
    def freeze(self) -> None:
        """Permute the parameters as they are now; another state dict may be loaded, other changes have no effect."""
        self._frozen_weight, self._frozen_bias = self._permuted()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out) with the outputs permuted"""
        if self._frozen_weight is not None:
            return F.linear(x, self._frozen_weight, self._frozen_bias)
        return F.linear(x, *self._permuted())

    def _permuted(self) -> tuple[Tensor, Tensor]:
        weight, bias = (p.unflatten(0, (-1, 2)).transpose(0, 1).flatten(0, 1) for p in (self.weight, self.bias))
        return weight, bias

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        if self._frozen_weight is not None:
            self.freeze()


class RotaryAttention(Attention):
    """Attention with a single head and rotary position encoding of queries and keys (Su et al. 2021)."""

    qk_projection = RotaryProjection

    def __init__(self, width: int, kv_width: int | None = None) -> None:
        super().__init__(width, heads=1, kv_width=kv_width)

    def rotated_query(self, x: Tensor, table: RotaryTable) -> Tensor:
        """(..., L, width) -> (..., L, width)"""
        return apply_rotary(self.q_proj(x), table)

    def rotated_key(self, x: Tensor, table: RotaryTable | None) -> Tensor:
        """(..., L, kv_width) -> (..., L, width); None for tokens without a position."""
        key = self.k_proj(x)
        return key if table is None else apply_rotary(key, table)


class MemoryAttentionLayer(Chunkable):
    """Self-attention of the image, cross-attention to the memory, an MLP; each after a norm, each residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.self_attn = RotaryAttention(width)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_image = RotaryAttention(width, config.memory_width)
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, config.memory_feedforward)
        self.linear2 = nn.Linear(config.memory_feedforward, width)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x: Tensor, memory: MemoryTokens, tables: RotaryTables) -> Tensor:
        """(N or 1, h * w, C) -> (N, h * w, C)"""
        x = x + self._self_attention(self.norm1(x), tables.spatial)
        x = x + self._cross_attention(self.norm2(x), memory, tables)
        return in_chunks(self._mlp, x, self.linear1.out_features) if self.works_in_chunks(x) else self._mlp(x)

    def _self_attention(self, x: Tensor, table: RotaryTable) -> Tensor:
        attention = self.self_attn
        return attention.attend(attention.rotated_query(x, table), attention.rotated_key(x, table), attention.v_proj(x))

    def _cross_attention(self, x: Tensor, memory: MemoryTokens, tables: RotaryTables) -> Tensor:
        attention = self.cross_attn_image
        query = attention.rotated_query(x, tables.spatial).expand(memory.values.shape[0], -1, -1)
        if self.works_in_chunks(x):
            # Attention weights add up to one, so the result can be projected instead of every value.
            mixed = torch.stack(
                [chunked_attention(query[i], self._chunks(memory, i, tables)) for i in range(len(query))]
            )
            if mixed.isfinite().all():
                outputs: Tensor = attention.out_proj(attention.v_proj(mixed))
                return outputs
            _warn_of_overflow()
        groups = zip(memory.keys.split(memory.counts, dim=1), tables)
        key = torch.cat([self._rotated_frames(keys, table) for keys, table in groups], dim=1)
        return attention.attend(query, key, attention.v_proj(memory.values), memory.mask)

    def _rotated_frames(self, keys: Tensor, table: RotaryTable | None) -> Tensor:
        """(N, K * L, 64) -> (N, K * L, C) for frames of L tokens"""
        if table is None:
            return self.cross_attn_image.rotated_key(keys, None)
        frames = keys.unflatten(1, (keys.shape[1] // len(table.cos), len(table.cos)))
        return self.cross_attn_image.rotated_key(frames, table).flatten(1, 2)

    def _chunks(self, memory: MemoryTokens, row: int, tables: RotaryTables) -> Iterator[tuple[Tensor, Tensor]]:
        """Projected keys and values of the valid tokens of one object."""
        keys, values = memory.keys[row], memory.values[row]
        valid = torch.ones_like(values[:, 0], dtype=torch.bool) if memory.mask is None else memory.mask[row, 0, 0]
        groups = zip(*(x.split(memory.counts) for x in (keys, values, valid)), tables)
        for keys, values, valid, table in groups:
            if table is None:
                yield self.cross_attn_image.rotated_key(keys[valid], None), values[valid]
                continue
            length = len(table.cos)
            for frame in zip(keys.split(length), values.split(length), valid.split(length)):
                if frame[2].any():  # all tokens of a frame are valid, or none
                    key = self.cross_attn_image.rotated_key(frame[0], table)
                    yield from zip(key.split(_CHUNK_KEYS), frame[1].split(_CHUNK_KEYS))

    def _mlp(self, x: Tensor) -> Tensor:
        outputs: Tensor = x + self.linear2(F.relu(self.linear1(self.norm3(x)), inplace=True))
        return outputs


@cache
def _warn_of_overflow() -> None:
    """Once: it may happen on every frame."""
    _logger.warning("a score of memory attention overflowed in chunks; it is computed as a whole, which is slower")


class MemoryAttention(nn.Module):
    """Conditions the features of a frame on the memory of each object."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(config) for _ in range(config.memory_layers))
        self.norm = nn.LayerNorm(config.width)
        self.image_pe: Tensor
        self.rotary_cos: Tensor
        self.rotary_sin: Tensor
        self.pooled_cos: Tensor
        self.pooled_sin: Tensor
        self.register_buffer("image_pe", sine_grid(config.grid, config.width), persistent=False)
        table = axial_rotary_table(config.grid, config.width)
        self.register_buffer("rotary_cos", table.cos, persistent=False)
        self.register_buffer("rotary_sin", table.sin, persistent=False)
        table = axial_rotary_table(config.grid // 2, config.width, pooling=2)
        self.register_buffer("pooled_cos", table.cos, persistent=False)
        self.register_buffer("pooled_sin", table.sin, persistent=False)

    def forward(self, image: Tensor, memory: MemoryTokens) -> Tensor:
        """Image (N or 1, C, h, w) -> (N, C, h, w)"""
        height, width = image.shape[-2:]
        x = image.flatten(2).transpose(1, 2) + _POSITION_WEIGHT * self.image_pe
        tables = RotaryTables(
            RotaryTable(self.rotary_cos, self.rotary_sin), RotaryTable(self.pooled_cos, self.pooled_sin)
        )
        for layer in self.layers:
            x = layer(x, memory, tables)
        conditioned: Tensor = self.norm(x).transpose(1, 2).unflatten(2, (height, width))
        return conditioned
