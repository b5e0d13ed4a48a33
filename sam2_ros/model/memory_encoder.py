"""The memory encoder: fuses the features of a frame with an object's mask into a spatial memory of 64 channels."""

from __future__ import annotations

from torch import Tensor, nn

from .chunked_attention import Chunkable, in_batches
from .config import ModelConfig
from .layers import LayerNorm2d

_DOWNSAMPLING = 4  # steps, of two each: 16 pixels of the mask per token


class MaskDownSampler(nn.Module):
    """(N, 1, S, S) mask -> (N, C, S / 16, S / 16)"""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for step in range(_DOWNSAMPLING):
            channels = 4**step
            layers += [
                nn.Conv2d(channels, 4 * channels, 3, stride=2, padding=1),
                LayerNorm2d(4 * channels),
                nn.GELU(),
            ]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(4**_DOWNSAMPLING, width, kernel_size=1))

    def forward(self, mask: Tensor) -> Tensor:
        """(N, 1, S, S) -> (N, width, S / 16, S / 16)"""
        features: Tensor = self.encoder(mask)
        return features


class ConvNextBlock(nn.Module):
    """Depth-wise convolution, then an MLP per pixel, scaled and residual (Liu et al. 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.activation = nn.GELU()
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(1e-6 * nn.init.ones_(self.pwconv2.weight.new_empty(width)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)"""
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(self.activation(self.pwconv1(y)))
        outputs: Tensor = x + y.permute(0, 3, 1, 2)
        return outputs


class Fuser(nn.Module):
    """Two ConvNeXt blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNextBlock(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)"""
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(Chunkable):
    """Encodes one spatial memory per object."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.mask_downsampler = MaskDownSampler(width)
        self.pix_feat_proj = nn.Conv2d(width, width, kernel_size=1)
        self.fuser = Fuser(width)
        self.out_proj = nn.Conv2d(width, config.memory_width, kernel_size=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Image (N or 1, C, h, w), mask (N, 1, S, S) in -10..10 -> (N, 64, h, w)"""
        projected = self.pix_feat_proj(image).expand(mask.shape[0], -1, -1, -1)
        if not self.works_in_chunks(mask):
            return self._fuse(projected, mask)
        # The fuser's blocks are four times as wide inside.
        return in_batches(self._fuse, (projected, mask), numbers=4 * image.shape[1:].numel())

    def _fuse(self, projected: Tensor, mask: Tensor) -> Tensor:
        memory: Tensor = self.out_proj(self.fuser(projected + self.mask_downsampler(mask)))
        return memory
