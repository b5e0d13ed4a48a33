"""The trunk of the image encoder: Hiera, a hierarchical vision transformer (Ryali et al. 2023)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .chunked_attention import Chunkable, attend, in_chunks
from .config import TrunkConfig
from .layers import MLP
from .parameter_cache import ParameterCache


class PatchEmbed(nn.Module):
    """Overlapping patches of 7 x 7 pixels, one every 4 pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=7, stride=4, padding=3)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H / 4, W / 4, width)"""
        tokens: Tensor = self.proj(image).permute(0, 2, 3, 1)
        return tokens


class MultiScaleAttention(Chunkable):
    """Self-attention; where the width changes, queries, and so the output, are max-pooled to half the side."""

    def __init__(self, width: int, out_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.pools_query = width != out_width
        self.qkv = nn.Linear(width, 3 * out_width)
        self.proj = nn.Linear(out_width, out_width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H or H / 2, W or W / 2, out)"""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        if self.pools_query:
            query = max_pool(query)
        height, width = query.shape[1:3]
        query, key, value = (
            y.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (query, key, value)
        )
        mixed = attend(query, key, value, self.works_in_chunks(x)).transpose(1, 2).flatten(2)
        outputs: Tensor = self.proj(mixed.unflatten(1, (height, width)))
        return outputs


class MultiScaleBlock(Chunkable):
    """Attention within windows (global where the window is 0), then an MLP; both residual."""

    def __init__(self, width: int, out_width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.hidden = 4 * out_width
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = MultiScaleAttention(width, out_width, heads)
        self.norm2 = nn.LayerNorm(out_width, eps=1e-6)
        self.mlp = MLP(out_width, self.hidden, out_width, activation=nn.GELU)
        self.proj = nn.Linear(width, out_width) if width != out_width else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H or H / 2, W or W / 2, out)"""
        if not self.works_in_chunks(x):
            return self._mlp(self._attention(x))
        if self.window:  # rows of windows are independent of each other
            return in_chunks(lambda rows: self._mlp(self._attention(rows)), x, self.hidden, step=self.window)
        return in_chunks(self._mlp, self._attention(x), self.hidden)

    def _attention(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        if self.proj is not None:
            x = max_pool(self.proj(normed))
        return x + self._windowed_attention(normed, x.shape[1], x.shape[2])

    def _mlp(self, x: Tensor) -> Tensor:
        outputs: Tensor = x + self.mlp(self.norm2(x))
        return outputs

    def _windowed_attention(self, x: Tensor, out_height: int, out_width: int) -> Tensor:
        if not self.window:
            outputs: Tensor = self.attn(x)
            return outputs
        batch, height, width, _ = x.shape
        rows, columns = -(-height // self.window), -(-width // self.window)
        # Padding tokens take part in attention: the released weights were trained so.
        x = F.pad(x, (0, 0, 0, columns * self.window - width, 0, rows * self.window - height))
        x = x.unflatten(2, (columns, self.window)).unflatten(1, (rows, self.window))
        x = self.attn(x.transpose(2, 3).flatten(0, 2))
        x = x.unflatten(0, (batch, rows, columns)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return x[:, :out_height, :out_width]


class Hiera(nn.Module):
    """Four stages of blocks; width doubles and resolution halves from each to the next."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        window = config.windows[0]
        self.patch_embed = PatchEmbed(config.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.width, *config.position_grid))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, config.width, window, window))
        self._position_cache = ParameterCache()
        self.blocks = nn.ModuleList(block for stage in range(4) for block in _stage(config, stage))
        self.stage_ends = [sum(config.blocks[: stage + 1]) - 1 for stage in range(4)]

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, S, S) normalised -> (B, C, S / stride, S / stride) for strides 4, 8, 16, 32"""
        x = self.patch_embed(image)
        x = x + self.position_embedding(x.shape[1], x.shape[2])
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.stage_ends:
                maps.append(x.permute(0, 3, 1, 2))
        return maps

    def position_embedding(self, height: int, width: int) -> Tensor:
        """(1, height, width, C): the background embedding, resized, plus the window embedding, tiled."""
        parameters = (self.pos_embed, self.pos_embed_window)
        return self._position_cache(lambda: self._position_embedding(height, width), parameters, height, width)

    def _position_embedding(self, height: int, width: int) -> Tensor:
        rows, columns = self.pos_embed.shape[2:]
        device = self.pos_embed.device
        vertical, horizontal = _bicubic_matrix(rows, height, device), _bicubic_matrix(columns, width, device)
        background = torch.einsum("bcij,yi,xj->byxc", self.pos_embed, vertical, horizontal)
        side = self.pos_embed_window.shape[-1]
        windows = background.unflatten(2, (width // side, side)).unflatten(1, (height // side, side))
        tiled = self.pos_embed_window.permute(0, 2, 3, 1)[:, None, :, None]
        embedding: Tensor = (windows + tiled).flatten(3, 4).flatten(1, 2)
        return embedding


def _bicubic_matrix(points: int, size: int, device: torch.device) -> Tensor:
    """(size, points): bicubic interpolation of a line as a linear map, which is cheaper than resizing each channel."""
    line = torch.eye(points, device=device)[:, None, :, None].expand(-1, -1, -1, size)
    return F.interpolate(line, size=(size, size), mode="bicubic")[:, 0, :, 0].T


def max_pool(x: Tensor) -> Tensor:
    """Max-pool (B, H, W, C) to half the height and width."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def _stage(config: TrunkConfig, stage: int) -> list[MultiScaleBlock]:
    width, heads = config.widths[stage], config.heads << stage
    first = sum(config.blocks[:stage])
    blocks = []
    for i in range(config.blocks[stage]):
        # The first block of a stage still works at the resolution, and in the windows, of the stage before.
        source = stage - 1 if i == 0 and stage > 0 else stage
        window = 0 if first + i in config.global_blocks else config.windows[source]
        blocks.append(MultiScaleBlock(config.widths[source], width, heads, window))
    return blocks
