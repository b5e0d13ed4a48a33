"""The trunk: four maps, windows, and what happens where windows do not fit."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from sam2_ros.model import CONFIGS
from sam2_ros.model.config import TrunkConfig
from sam2_ros.model.hiera import Hiera, MultiScaleBlock, max_pool

TRUNK = TrunkConfig(8, 1, (1, 2, 3, 1), (5,), windows=(8, 4, 14, 7))


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [64, 96, 160])  # 14 and 7 tile none of these grids
def test_each_stage_halves_the_map_and_doubles_its_width(size: int) -> None:
    maps = Hiera(TRUNK)(random(2, 3, size, size))
    assert [tuple(map_.shape) for map_ in maps] == [
        (2, 8 << stage, size // (4 << stage), size // (4 << stage)) for stage in range(4)
    ]


def test_the_block_that_enters_a_stage_keeps_the_windows_of_the_stage_before() -> None:
    assert [block.window for block in Hiera(TRUNK).blocks] == [8, 8, 4, 4, 14, 0, 14]


def test_heads_double_with_the_width() -> None:
    large = Hiera(CONFIGS["sam2.1_hiera_large"].trunk)
    blocks: Any = large.blocks  # nn.ModuleList forgets the types of its modules
    assert [blocks[end].attn.heads for end in large.stage_ends] == [2, 4, 8, 16]
    assert [blocks[end].attn.proj.out_features for end in large.stage_ends] == [144, 288, 576, 1152]


def test_windows_are_independent_of_each_other() -> None:
    block = MultiScaleBlock(8, 8, heads=2, window=4)
    x = random(1, 8, 8, 8)
    changed = x.clone()
    changed[:, :4, :4] *= -1
    difference = (block(changed) - block(x)).abs().amax(dim=-1)[0]
    assert (difference[:4, :4] > 0).all()
    assert not difference[4:].any() and not difference[:, 4:].any()


def test_window_zero_is_global_attention() -> None:
    block = MultiScaleBlock(8, 8, heads=2, window=0)
    x = random(1, 8, 8, 8)
    changed = x.clone()
    changed[:, 0, 0] *= -1
    assert ((block(changed) - block(x)).abs().amax(dim=-1) > 0).all()


def test_one_window_over_the_whole_map_is_global_attention() -> None:
    windowed, everywhere = MultiScaleBlock(8, 8, heads=2, window=8), MultiScaleBlock(8, 8, heads=2, window=0)
    everywhere.load_state_dict(windowed.state_dict())
    x = random(2, 8, 8, 8)
    assert torch.allclose(windowed(x), everywhere(x), atol=1e-6)


def test_padding_takes_part_in_attention() -> None:
    block = MultiScaleBlock(8, 8, heads=1, window=4)
    x = random(1, 3, 3, 8)
    normed = F.pad(block.norm1(x), (0, 0, 0, 1, 0, 1))  # zeros after the norm, seen by the window
    attended = x + block.attn(normed)[:, :3, :3]
    assert torch.allclose(block(x), attended + block.mlp(block.norm2(attended)), atol=1e-6)


def test_an_odd_map_is_pooled_inside_its_padded_windows() -> None:
    block = MultiScaleBlock(8, 16, heads=1, window=4)
    assert block(random(1, 6, 6, 8)).shape == (1, 3, 3, 16)


def test_max_pooling_takes_the_largest_of_four() -> None:
    x = torch.arange(16.0).view(1, 4, 4, 1)
    assert max_pool(x).flatten().tolist() == [5, 7, 13, 15]


def test_the_position_embedding_is_a_resized_background_plus_a_tiled_window() -> None:
    trunk = Hiera(replace(TRUNK, position_grid=(2, 2)))
    with torch.no_grad():
        trunk.pos_embed.fill_(3.0)
        trunk.pos_embed_window.copy_(torch.arange(64.0).view(1, 1, 8, 8).expand(1, 8, 8, 8))
    embedding = trunk.position_embedding(16, 24)
    assert embedding.shape == (1, 16, 24, 8)
    assert torch.allclose(embedding[0, 8:, 16:, 0], 3 + torch.arange(64.0).view(8, 8), atol=1e-5)


def test_the_background_embedding_is_resized_bicubically() -> None:
    trunk = Hiera(TRUNK)
    torch.nn.init.normal_(trunk.pos_embed)
    resized = F.interpolate(trunk.pos_embed, size=(16, 16), mode="bicubic").permute(0, 2, 3, 1)
    assert torch.allclose(trunk.position_embedding(16, 16), resized, atol=1e-5)  # the pattern of windows starts at zero
