"""The pyramid: three maps, of which only stride 16 receives the level above."""

import torch
from torch import nn

from sam2_ros.model import ModelConfig
from sam2_ros.model.image_encoder import FpnNeck, ImageFeatures


def maps(config: ModelConfig) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(1, width, 16 >> stage, 16 >> stage, generator=generator)
        for stage, width in enumerate(config.trunk.widths)
    ]


class Neck:
    """A neck with the two convolutions of a mask decoder."""

    def __init__(self, config: ModelConfig) -> None:
        self.neck = FpnNeck(config)
        self.conv_s0, self.conv_s1 = nn.Conv2d(128, 16, 1), nn.Conv2d(128, 32, 1)

    def __call__(self, maps: list[torch.Tensor]) -> ImageFeatures:
        return self.neck(maps, self.conv_s0, self.conv_s1)


def test_features_have_the_widths_that_the_decoder_reads(config: ModelConfig) -> None:
    features = Neck(config)(maps(config))
    assert features.stride16.shape == (1, 128, 4, 4)
    assert features.stride8.shape == (1, 32, 8, 8)
    assert features.stride4.shape == (1, 16, 16, 16)


def test_only_stride_16_receives_the_level_above(config: ModelConfig) -> None:
    neck, inputs = Neck(config), maps(config)
    before = neck(inputs)
    inputs[3] = inputs[3] + 1
    after = neck(inputs)
    assert not torch.equal(before.stride16, after.stride16)
    assert torch.equal(before.stride8, after.stride8) and torch.equal(before.stride4, after.stride4)


def test_the_level_above_is_upsampled_to_the_nearest(config: ModelConfig) -> None:
    neck, inputs = Neck(config), maps(config)
    above = neck(inputs).stride16 - neck.neck.convs[1](inputs[2])
    blocks = above.unflatten(2, (2, 2)).unflatten(4, (2, 2))
    assert torch.allclose(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks), atol=1e-5)


def test_folded_projections_equal_two_in_sequence(config: ModelConfig) -> None:
    neck, inputs = Neck(config), maps(config)
    features = neck(inputs)
    assert torch.allclose(features.stride4, neck.conv_s0(neck.neck.convs[3](inputs[0])), atol=1e-5)
    assert torch.allclose(features.stride8, neck.conv_s1(neck.neck.convs[2](inputs[1])), atol=1e-5)
