"""Memory attention: the current frame reads what was remembered of an object (SAM 2, section 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import NUM_MEMORY_ROWS, POINTER_REACH, ModelConfig
from .encoding import Rotation, axial_rotation, rotate, sine_distance, sine_grid
from .layers import Attention, parameter

_POSITION_SHARE = 0.1  # of the position encoding that is added to the image tokens


class Memory(NamedTuple):
    """What N objects are remembered by. Order does not matter; invalid entries are not read."""

    spatial: Tensor  # (N, K, h * w, 64)
    # Row of the temporal table: k - 1 for k frames ago, the last one for prompted frames.
    spatial_row: Tensor  # (N, K) long
    pointers: Tensor  # (N, P, C)
    pointer_distance: Tensor  # (N, P) frames ago
    spatial_valid: Tensor | None = None  # (N, K) bool, None where all are valid
    pointer_valid: Tensor | None = None  # (N, P) bool, likewise


class Keys(NamedTuple):
    """A memory as the attention layers read it: M = K * h * w spatial tokens, then those of the pointers."""

    tokens: Tensor  # (N, M, 64)
    placed: Tensor  # (N, M, 64) tokens with their place and time
    spatial: int  # how many of them are spatial
    mask: Tensor | None  # (N, 1, 1, M) bool


class MemoryLayer(nn.Module):
    """Self-attention over the image, attention to the memory, an MLP; each after a norm, each residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.within = Attention(width, heads=1)
        self.norm1 = nn.LayerNorm(width)
        self.to_memory = Attention(width, heads=1, source_width=config.memory_width)
        self.norm2 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, config.memory_feedforward)
        self.shrink = nn.Linear(config.memory_feedforward, width)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x: Tensor, keys: Keys, rotation: Rotation) -> Tensor:
        """(N, h * w, C) -> (N, h * w, C)"""
        x = x + self._attend_within(self.norm1(x), rotation)
        x = x + self._attend_to_memory(self.norm2(x), keys, rotation)
        return x + self.shrink(F.relu(self.expand(self.norm3(x))))

    def _attend_within(self, x: Tensor, rotation: Rotation) -> Tensor:
        attention = self.within
        return attention.attend(
            rotate(attention.query(x), rotation), rotate(attention.key(x), rotation), attention.value(x)
        )

    def _attend_to_memory(self, x: Tensor, keys: Keys, rotation: Rotation) -> Tensor:
        attention = self.to_memory
        key = attention.key(keys.placed)
        # Every remembered frame is turned like the current one; pointers have no place to turn to.
        spatial = key[:, : keys.spatial].unflatten(1, (-1, x.shape[1]))
        key = torch.cat((rotate(spatial, rotation).flatten(1, 2), key[:, keys.spatial :]), dim=1)
        return attention.attend(rotate(attention.query(x), rotation), key, attention.value(keys.tokens), keys.mask)


class MemoryAttention(nn.Module):
    """Conditions the features of a frame on the memory of each object."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.time = parameter(NUM_MEMORY_ROWS, 1, 1, config.memory_width)
        self.layers = nn.ModuleList(MemoryLayer(config) for _ in range(config.memory_layers))
        self.norm = nn.LayerNorm(config.width)
        # SAM 2.0 does not tell pointers apart by their age.
        self.pointer_time = nn.Linear(config.width, config.memory_width) if config.version == "2.1" else None
        self.image_place: Tensor
        self.memory_place: Tensor
        self.rotation_cos: Tensor
        self.rotation_sin: Tensor
        self.register_buffer("image_place", sine_grid(config.grid, config.width), persistent=False)
        self.register_buffer("memory_place", sine_grid(config.grid, config.memory_width), persistent=False)
        rotation = axial_rotation(config.grid, config.width)
        self.register_buffer("rotation_cos", rotation.cos, persistent=False)
        self.register_buffer("rotation_sin", rotation.sin, persistent=False)

    def forward(self, coarse: Tensor, memory: Memory) -> Tensor:
        """coarse (N or 1, C, h, w) -> (N, C, h, w)"""
        height, width = coarse.shape[-2:]
        x = coarse.flatten(2).transpose(1, 2) + _POSITION_SHARE * self.image_place
        x = x.expand(len(memory.spatial), -1, -1)
        keys = self._keys(memory)
        rotation = Rotation(self.rotation_cos, self.rotation_sin)
        for layer in self.layers:
            x = layer(x, keys, rotation)
        return self.norm(x).transpose(1, 2).unflatten(2, (height, width))

    def _keys(self, memory: Memory) -> Keys:
        spatial_place = self.memory_place + self.time[memory.spatial_row][..., 0, :]
        pieces = self.config.pointer_tokens
        pointers = memory.pointers.unflatten(2, (pieces, -1)).flatten(1, 2)
        pointer_place = self._pointer_place(memory).repeat_interleave(pieces, dim=1)
        tokens = torch.cat((memory.spatial.flatten(1, 2).to(pointers.dtype), pointers), dim=1)
        place = torch.cat((spatial_place.flatten(1, 2), pointer_place), dim=1)
        count = memory.spatial.shape[1] * memory.spatial.shape[2]
        return Keys(tokens, tokens + place, count, self._mask(memory))

    def _pointer_place(self, memory: Memory) -> Tensor:
        """(N, P, 64) how long ago each pointer was made."""
        if self.pointer_time is None:
            return memory.pointers.new_zeros(*memory.pointer_distance.shape, self.config.memory_width)
        return self.pointer_time(sine_distance(memory.pointer_distance / POINTER_REACH, self.config.width))

    def _mask(self, memory: Memory) -> Tensor | None:
        if memory.spatial_valid is None and memory.pointer_valid is None:
            return None
        spatial, pointer = memory.spatial_valid, memory.pointer_valid
        if spatial is None:
            spatial = memory.spatial_row >= 0
        if pointer is None:
            pointer = torch.ones_like(memory.pointer_distance, dtype=torch.bool)
        tokens = memory.spatial.shape[2], self.config.pointer_tokens
        valid = torch.cat([v.repeat_interleave(n, dim=1) for v, n in zip((spatial, pointer), tokens)], dim=1)
        return valid[:, None, None]
