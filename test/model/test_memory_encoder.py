"""Writing a memory: the shape of it, and that both the image and the mask are in it."""

import torch

from sam2_ros.model import ImageFeatures, Sam2


def test_a_memory_has_a_token_for_every_token_of_the_image(model: Sam2, features: ImageFeatures) -> None:
    assert model.memory_encoder(features.stride16, torch.zeros(3, 1, 64, 64)).shape == (3, 64, 4, 4)


def test_image_and_mask_both_matter(model: Sam2, features: ImageFeatures) -> None:
    full, empty = torch.full((1, 1, 64, 64), 10.0), torch.full((1, 1, 64, 64), -10.0)
    memory = model.memory_encoder(features.stride16, full)
    assert not torch.allclose(memory, model.memory_encoder(features.stride16, empty), atol=1e-3)
    assert not torch.allclose(memory, model.memory_encoder(features.stride16.flip(-1), full), atol=1e-3)


def test_a_fresh_block_of_the_fuser_changes_little(model: Sam2) -> None:
    """Its layer scale begins at a millionth, so that training begins near the identity."""
    block = type(model.memory_encoder.fuser.layers[0])(8)
    x = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    difference = (block(x) - x).abs().max()
    assert 0 < difference < 1e-5
