"""Memory attention: the current frame reads what was remembered of an object (SAM 2, section 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .chunked_attention import in_chunks, prefers_chunks, read
from .config import NUM_MEMORY_ROWS, POINTER_REACH, ModelConfig
from .layers import Attention, parameter
from .position_encoding import Rotation, axial_rotation, rotate, sine_distance, sine_grid

_KEYS = 512  # of a piece
_POSITION_SHARE = 0.1  # of the position encoding that is added to the image tokens


class PooledMemory(NamedTuple):
    """Spatial memories in a quarter of the tokens, see `pool`."""

    tokens: Tensor  # (N, K, h * w / 4, 64)
    row: Tensor  # (N, K) long, of the temporal table
    valid: Tensor | None = None  # (N, K) bool, None where all are valid


class Memory(NamedTuple):
    """What N objects are remembered by. Order does not matter; invalid entries are not read."""

    spatial: Tensor  # (N, K, h * w, 64)
    # Row of the temporal table: k - 1 for k frames ago, the last one for prompted frames.
    spatial_row: Tensor  # (N, K) long
    pointers: Tensor  # (N, P, C)
    pointer_distance: Tensor  # (N, P) frames ago
    spatial_valid: Tensor | None = None  # (N, K) bool, None where all are valid
    pointer_valid: Tensor | None = None  # (N, P) bool, likewise
    pooled: PooledMemory | None = None  # besides


def pool(memory: Tensor) -> Tensor:
    """(N, h * w, C) -> (N, h * w / 4, C), the mean of each 2 x 2 tokens of a square"""
    side = math.isqrt(memory.shape[1])
    square = memory.transpose(1, 2).unflatten(2, (side, side))
    return F.avg_pool2d(square, kernel_size=2).flatten(2).transpose(1, 2)


class Keys(NamedTuple):
    """A memory as the attention layers read it: spatial tokens, then pooled ones, then those of the pointers."""

    tokens: Tensor  # (N, M, 64)
    placed: Tensor  # (N, M, 64) tokens with their place and time
    counts: list[int]  # of these three
    pooled_rotation: Rotation  # of the pooled tokens of one frame
    mask: Tensor | None  # (N, 1, 1, M) bool


Turns = tuple[Rotation, Rotation, None]  # of spatial tokens, pooled ones and those of pointers


class RotaryAttention(Attention):
    """Attention with a single head, whose queries and keys are turned by their place (Su et al. 2021)."""

    def __init__(self, width: int, source_width: int | None = None) -> None:
        super().__init__(width, heads=1, source_width=source_width)

    def placed_query(self, x: Tensor, rotation: Rotation) -> Tensor:
        """(..., L, width) -> (..., L, width)"""
        return rotate(_partners_apart(self.query, x), rotation)

    def placed_key(self, x: Tensor, rotation: Rotation | None) -> Tensor:
        """(..., L, source) -> (..., L, width); None where there is no place to turn to."""
        key = _partners_apart(self.key, x)
        return key if rotation is None else rotate(key, rotation)


def _partners_apart(linear: nn.Linear, x: Tensor) -> Tensor:
    """Checkpoints turn each channel with its neighbour; whole halves are turned sooner, and score the same."""
    weight, bias = (p.unflatten(0, (-1, 2)).transpose(0, 1).flatten(0, 1) for p in (linear.weight, linear.bias))
    return F.linear(x, weight, bias)


class MemoryLayer(nn.Module):
    """Self-attention over the image, attention to the memory, an MLP; each after a norm, each residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.within = RotaryAttention(width)
        self.norm1 = nn.LayerNorm(width)
        self.to_memory = RotaryAttention(width, config.memory_width)
        self.norm2 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, config.memory_feedforward)
        self.shrink = nn.Linear(config.memory_feedforward, width)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x: Tensor, keys: Keys, rotation: Rotation) -> Tensor:
        """(N or 1, h * w, C) -> (N, h * w, C)"""
        x = x + self._attend_within(self.norm1(x), rotation)
        x = x + self._attend_to_memory(self.norm2(x), keys, rotation)
        return in_chunks(self._think, x, self.expand.out_features)

    def _attend_within(self, x: Tensor, rotation: Rotation) -> Tensor:
        attention = self.within
        return attention.attend(
            attention.placed_query(x, rotation), attention.placed_key(x, rotation), attention.value(x)
        )

    def _attend_to_memory(self, x: Tensor, keys: Keys, rotation: Rotation) -> Tensor:
        attention = self.to_memory
        query = attention.placed_query(x, rotation).expand(keys.tokens.shape[0], -1, -1)
        turns = (rotation, keys.pooled_rotation, None)
        if prefers_chunks(x):
            # Weights add up to one, so that what is read can be projected to values instead of all that there is.
            tokens = torch.stack([read(query[i], self._key_pieces(keys, i, turns)) for i in range(len(query))])
            if tokens.isfinite().all():
                return attention.out(attention.value(tokens))
        groups = zip(keys.placed.split(keys.counts, dim=1), turns)
        key = torch.cat([self._place_frames(group, turn) for group, turn in groups], dim=1)
        return attention.attend(query, key, attention.value(keys.tokens), keys.mask)

    def _place_frames(self, x: Tensor, turn: Rotation | None) -> Tensor:
        """(N, K * L, 64) -> (N, K * L, C) where a frame has L tokens"""
        if turn is None:
            return self.to_memory.placed_key(x, None)
        frames = x.unflatten(1, (x.shape[1] // len(turn.cos), len(turn.cos)))
        return self.to_memory.placed_key(frames, turn).flatten(1, 2)

    def _key_pieces(self, keys: Keys, row: int, turns: Turns) -> Iterator[tuple[Tensor, Tensor]]:
        """The valid keys of one object, with the tokens that they stand for."""
        valid = torch.ones_like(keys.tokens[row, :, 0], dtype=torch.bool) if keys.mask is None else keys.mask[row, 0, 0]
        groups = zip(*(x.split(keys.counts) for x in (keys.placed[row], keys.tokens[row], valid)), turns)
        for placed, tokens, valid, turn in groups:
            if turn is None:
                yield self.to_memory.placed_key(placed[valid], None), tokens[valid]
                continue
            length = len(turn.cos)
            for frame in zip(placed.split(length), tokens.split(length), valid.split(length)):
                if frame[2].any():  # all of a frame, or nothing
                    key = self.to_memory.placed_key(frame[0], turn)
                    yield from zip(key.split(_KEYS), frame[1].split(_KEYS))

    def _think(self, x: Tensor) -> Tensor:
        return x + self.shrink(F.relu(self.expand(self.norm3(x)), inplace=True))


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
        # A pooled token is in the middle of its four.
        self.pooled_place: Tensor
        self.pooled_cos: Tensor
        self.pooled_sin: Tensor
        self.register_buffer("pooled_place", pool(self.memory_place[None])[0], persistent=False)
        rotation = axial_rotation(config.grid // 2, config.width, cell=2)
        self.register_buffer("pooled_cos", rotation.cos, persistent=False)
        self.register_buffer("pooled_sin", rotation.sin, persistent=False)

    def forward(self, coarse: Tensor, memory: Memory) -> Tensor:
        """coarse (N or 1, C, h, w) -> (N, C, h, w)"""
        height, width = coarse.shape[-2:]
        x = coarse.flatten(2).transpose(1, 2) + _POSITION_SHARE * self.image_place
        keys = self._keys(memory)
        rotation = Rotation(self.rotation_cos, self.rotation_sin)
        for layer in self.layers:
            x = layer(x, keys, rotation)
        return self.norm(x).transpose(1, 2).unflatten(2, (height, width))

    def _keys(self, memory: Memory) -> Keys:
        pieces = self.config.pointer_tokens
        pointers = memory.pointers.unflatten(2, (pieces, -1)).flatten(1, 2)
        tokens = [memory.spatial.flatten(1, 2).to(pointers.dtype), pointers[:, :0], pointers]
        places = [
            self._spatial_place(self.memory_place, memory.spatial_row),
            tokens[1],
            self._pointer_place(memory).repeat_interleave(pieces, dim=1),
        ]
        if memory.pooled:
            tokens[1] = memory.pooled.tokens.flatten(1, 2).to(pointers.dtype)
            places[1] = self._spatial_place(self.pooled_place, memory.pooled.row)
        joined = torch.cat(tokens, dim=1)
        counts, rotation = [part.shape[1] for part in tokens], Rotation(self.pooled_cos, self.pooled_sin)
        return Keys(joined, joined + torch.cat(places, dim=1), counts, rotation, self._mask(memory))

    def _spatial_place(self, place: Tensor, row: Tensor) -> Tensor:
        """(N, K * L, 64) where L tokens are (L, 64), and when K frames were (N, K)"""
        return (place + self.time[row][..., 0, :]).flatten(1, 2)

    def _pointer_place(self, memory: Memory) -> Tensor:
        """(N, P, 64) how long ago each pointer was made."""
        if self.pointer_time is None:
            return memory.pointers.new_zeros(*memory.pointer_distance.shape, self.config.memory_width)
        return self.pointer_time(sine_distance(memory.pointer_distance / POINTER_REACH, self.config.width))

    def _mask(self, memory: Memory) -> Tensor | None:
        groups = [
            (memory.spatial_valid, memory.spatial_row, memory.spatial.shape[2]),
            (memory.pointer_valid, memory.pointer_distance, self.config.pointer_tokens),
        ]
        if memory.pooled:
            groups.insert(1, (memory.pooled.valid, memory.pooled.row, memory.pooled.tokens.shape[2]))
        if all(valid is None for valid, _, _ in groups):
            return None
        known = [torch.ones_like(entry, dtype=torch.bool) if valid is None else valid for valid, entry, _ in groups]
        valid = [valid.repeat_interleave(tokens, dim=1) for valid, (_, _, tokens) in zip(known, groups)]
        return torch.cat(valid, dim=1)[:, None, None]
