"""What is remembered of a frame: its features, fused with an object's mask and squeezed to 64 channels."""

from __future__ import annotations

from torch import Tensor, nn

from .chunked_attention import in_batches
from .config import ModelConfig
from .layers import ChannelNorm


class ConvNextBlock(nn.Module):
    """Depth-wise convolution, then an MLP per pixel, scaled and residual (Liu et al. 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, 4 * width)
        self.activation = nn.GELU()
        self.shrink = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(1e-6 * nn.init.ones_(self.shrink.weight.new_empty(width)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)"""
        y = self.norm(self.spatial(x).permute(0, 2, 3, 1))
        y = self.scale * self.shrink(self.activation(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)


class MemoryEncoder(nn.Module):
    """Writes one spatial memory per object."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        shrink: list[nn.Module] = []
        channels = 1
        for _ in range(4):  # 2 ** 4 pixels of the mask meet one token
            shrink += [
                nn.Conv2d(channels, 4 * channels, 3, stride=2, padding=1),
                ChannelNorm(4 * channels),
                nn.GELU(),
            ]
            channels *= 4
        self.mask = nn.Sequential(*shrink, nn.Conv2d(channels, width, kernel_size=1))
        self.features = nn.Conv2d(width, width, kernel_size=1)
        self.fuse = nn.Sequential(ConvNextBlock(width), ConvNextBlock(width))
        self.out = nn.Conv2d(width, config.memory_width, kernel_size=1)

    def forward(self, coarse: Tensor, mask: Tensor) -> Tensor:
        """coarse (N or 1, C, h, w), mask (N, 1, S, S) in -10..10 -> (N, 64, h, w)"""
        seen = self.features(coarse).expand(mask.shape[0], -1, -1, -1)
        # The fusing blocks are four times as wide inside.
        return in_batches(self._write, (seen, mask), widest=4 * coarse.shape[1:].numel())

    def _write(self, seen: Tensor, mask: Tensor) -> Tensor:
        return self.out(self.fuse(seen + self.mask(mask)))
