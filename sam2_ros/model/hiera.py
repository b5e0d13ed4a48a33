"""The image encoder's trunk: Hiera, a hierarchical vision transformer (Ryali et al. 2023)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .chunked_attention import attend, in_chunks
from .config import TrunkConfig
from .layers import Mlp
from .parameter_cache import ParameterCache


class PooledAttention(nn.Module):
    """Attention whose queries, and so its output, are max-pooled to half the side where the width changes."""

    def __init__(self, width: int, out_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.pool = width != out_width
        self.qkv = nn.Linear(width, 3 * out_width)
        self.out = nn.Linear(out_width, out_width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H or H / 2, W or W / 2, out)"""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        if self.pool:
            query = halve(query)
        height, width = query.shape[1:3]
        query, key, value = (
            x.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (query, key, value)
        )
        mixed = attend(query, key, value).transpose(1, 2).flatten(2)
        return self.out(mixed.unflatten(1, (height, width)))


class Block(nn.Module):
    """Attention inside windows (or over everything, window 0), then an MLP; both residual."""

    def __init__(self, width: int, out_width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.hidden = 4 * out_width
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = PooledAttention(width, out_width, heads)
        self.norm2 = nn.LayerNorm(out_width, eps=1e-6)
        self.mlp = Mlp(out_width, self.hidden, out_width, activation=nn.GELU)
        self.widen = nn.Linear(width, out_width) if width != out_width else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H or H / 2, W or W / 2, out)"""
        if self.window:  # windows know nothing of each other
            return in_chunks(lambda strip: self._think(self._look(strip)), x, self.hidden, step=self.window)
        return in_chunks(self._think, self._look(x), self.hidden)

    def _look(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        if self.widen is not None:
            x = halve(self.widen(normed))
        return x + self._attend(normed, x.shape[1], x.shape[2])

    def _think(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor, out_height: int, out_width: int) -> Tensor:
        if not self.window:
            return self.attention(x)
        batch, height, width, _ = x.shape
        rows, columns = -(-height // self.window), -(-width // self.window)
        # The padding is seen by its window: the released weights were trained so.
        x = F.pad(x, (0, 0, 0, columns * self.window - width, 0, rows * self.window - height))
        x = x.unflatten(2, (columns, self.window)).unflatten(1, (rows, self.window))
        x = self.attention(x.transpose(2, 3).flatten(0, 2))
        x = x.unflatten(0, (batch, rows, columns)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return x[:, :out_height, :out_width]


class Hiera(nn.Module):
    """Four stages of blocks; width doubles and resolution halves from each to the next."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        side = config.windows[0]
        self.patches = nn.Conv2d(3, config.width, kernel_size=7, stride=4, padding=3)
        self.position = nn.Parameter(torch.zeros(1, config.width, *config.position_grid))
        self.window_position = nn.Parameter(torch.zeros(1, config.width, side, side))
        self._positions = ParameterCache()
        self.blocks = nn.ModuleList(block for stage in range(4) for block in _stage(config, stage))
        self.stage_ends = [sum(config.blocks[: stage + 1]) - 1 for stage in range(4)]

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, S, S) normalised -> (B, C, S / stride, S / stride) for strides 4, 8, 16, 32"""
        x = self.patches(image).permute(0, 2, 3, 1)
        x = x + self._position(x.shape[1], x.shape[2])
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.stage_ends:
                maps.append(x.permute(0, 3, 1, 2))
        return maps

    def _position(self, height: int, width: int) -> Tensor:
        """(1, height, width, C): a coarse grid stretched over the image, plus a pattern in every window."""
        parameters = (self.position, self.window_position)
        return self._positions(lambda: self._stretched(height, width), parameters, height, width)

    def _stretched(self, height: int, width: int) -> Tensor:
        rows, columns = self.position.shape[2:]
        device = self.position.device
        down, across = _bicubic(rows, height, device), _bicubic(columns, width, device)
        stretched = torch.einsum("bcij,yi,xj->byxc", self.position, down, across)
        side = self.window_position.shape[-1]
        windows = stretched.unflatten(2, (width // side, side)).unflatten(1, (height // side, side))
        pattern = self.window_position.permute(0, 2, 3, 1)[:, None, :, None]
        return (windows + pattern).flatten(3, 4).flatten(1, 2)


def _bicubic(points: int, size: int, device: torch.device) -> Tensor:
    """(size, points): what each pixel takes of each point of a line, which is sooner than to resize every channel."""
    line = torch.eye(points, device=device)[:, None, :, None].expand(-1, -1, -1, size)
    return F.interpolate(line, size=(size, size), mode="bicubic")[:, 0, :, 0].T


def halve(x: Tensor) -> Tensor:
    """Max-pool (B, H, W, C) to half the height and width."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def _stage(config: TrunkConfig, stage: int) -> list[Block]:
    width, heads = config.widths[stage], config.heads << stage
    first = sum(config.blocks[:stage])
    blocks = []
    for i in range(config.blocks[stage]):
        # The block that enters a stage still works on the map of the stage before, and in its windows.
        source = stage - 1 if i == 0 and stage > 0 else stage
        window = 0 if first + i in config.global_blocks else config.windows[source]
        blocks.append(Block(config.widths[source], width, heads, window))
    return blocks
