"""Layers that several parts of the network share."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .chunked_attention import Chunkable, attend


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)"""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class MLP(nn.Module):
    """Linear layers with an activation between them: widths[0] -> widths[1] -> ..."""

    def __init__(self, *widths: int, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """(..., widths[0]) -> (..., widths[-1])"""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        outputs: Tensor = self.layers[-1](x)
        return outputs


class Attention(Chunkable):
    """Multi-head attention with its four projections; keys and values may have a width of their own."""

    qk_projection: type[nn.Linear] = nn.Linear

    def __init__(self, width: int, heads: int, inner_width: int | None = None, kv_width: int | None = None) -> None:
        super().__init__()
        inner_width = inner_width or width
        kv_width = kv_width or width
        self.heads = heads
        self.q_proj = self.qk_projection(width, inner_width)
        self.k_proj = self.qk_projection(kv_width, inner_width)
        self.v_proj = nn.Linear(kv_width, inner_width)
        self.out_proj = nn.Linear(inner_width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, L, width), (B, M, kv_width), (B, M, kv_width) -> (B, L, width); `mask` as in `attend`

        A batch of 1 on one side is projected once, for all of the other side.
        """
        return self.attend(self.q_proj(query), self.k_proj(key), self.v_proj(value), mask)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """The same from projected inputs; `mask` (B, 1, 1, M) is False for keys that are ignored."""
        batch = max(query.shape[0], key.shape[0])
        query, key, value = (
            x.expand(batch, -1, -1).unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (query, key, value)
        )
        if mask is None:
            mixed = attend(query, key, value, self.works_in_chunks(query))
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, mask)
        outputs: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return outputs


class Embedding(nn.Module):
    """`weight` (count, width): learned vectors."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight = parameter(count, width)


def parameter(*shape: int) -> nn.Parameter:
    """A learned embedding, initialised from a narrow normal distribution."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=0.02))


def resize(x: Tensor, size: int, antialias: bool = False) -> Tensor:
    """Bilinear resize of (B, C, H, W) to a square, in float32; antialias where it shrinks."""
    return F.interpolate(x.float(), size=(size, size), mode="bilinear", align_corners=False, antialias=antialias)
