"""The pyramid: three maps, of which only the coarse one hears from above."""

import torch

from sam2_ros.model import ModelConfig
from sam2_ros.model.image_encoder import Neck


def maps(config: ModelConfig) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(1, width, 16 >> stage, 16 >> stage, generator=generator)
        for stage, width in enumerate(config.trunk.widths)
    ]


def test_features_have_the_widths_that_the_decoder_reads(config: ModelConfig) -> None:
    features = Neck(config)(maps(config))
    assert features.coarse.shape == (1, 128, 4, 4)
    assert features.half.shape == (1, 32, 8, 8)
    assert features.fine.shape == (1, 16, 16, 16)


def test_only_the_coarse_map_receives_the_one_above(config: ModelConfig) -> None:
    neck, inputs = Neck(config), maps(config)
    before = neck(inputs)
    inputs[3] = inputs[3] + 1
    after = neck(inputs)
    assert not torch.equal(before.coarse, after.coarse)
    assert torch.equal(before.half, after.half) and torch.equal(before.fine, after.fine)


def test_the_map_above_is_repeated_without_smoothing(config: ModelConfig) -> None:
    neck, inputs = Neck(config), maps(config)
    above = neck(inputs).coarse - neck.lateral[2](inputs[2])
    blocks = above.unflatten(2, (2, 2)).unflatten(4, (2, 2))
    assert torch.allclose(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks), atol=1e-5)


def test_two_projections_in_one_give_what_they_give_in_turn(config: ModelConfig) -> None:
    neck, inputs = Neck(config), maps(config)
    features = neck(inputs)
    assert torch.allclose(features.fine, neck.to_fine(neck.lateral[0](inputs[0])), atol=1e-5)
    assert torch.allclose(features.half, neck.to_half(neck.lateral[1](inputs[1])), atol=1e-5)
