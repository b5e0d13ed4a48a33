"""Names and sizes."""

import pytest
import torch

from sam2_ros.model import CONFIGS, Sam2, seeded_model
from sam2_ros.model.config import named_config

OFFICIAL = [name for name in CONFIGS if name != "nano"]
MILLIONS = {"tiny": 38.9, "small": 46.0, "base_plus": 80.8, "large": 224.4}  # as published


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_official_size_has_the_published_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        model = Sam2(CONFIGS[name])
    count = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert count == pytest.approx(MILLIONS[name.partition("hiera_")[2]], abs=0.1)


def test_all_sizes_of_both_releases_are_there() -> None:
    assert set(OFFICIAL) == {f"{release}_hiera_{size}" for release in ("sam2", "sam2.1") for size in MILLIONS}


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown model 'sam3', expected one of .*sam2.1_hiera_tiny.*nano"):
        named_config("sam3")


@pytest.mark.parametrize("size", [0, -64, 100, 1000])
def test_a_size_that_windows_do_not_tile_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"image_size is {size}, expected a positive multiple of 32"):
        named_config("sam2.1_hiera_tiny", size)


@pytest.mark.parametrize("size", [32, 96, 224])
def test_a_size_that_windows_tile_runs(size: int) -> None:
    model = seeded_model(named_config("nano", size))
    features = model.encode_image(torch.zeros(1, 3, size, size))
    decoded = model.decode(model.without_memory(features), features, None, multimask=True)
    assert decoded.logits.shape == (1, 1, size // 4, size // 4)


def test_the_size_is_1024_pixels_unless_asked_otherwise_and_384_for_nano() -> None:
    assert {CONFIGS[name].image_size for name in OFFICIAL} == {1024}
    assert CONFIGS["nano"].image_size == 384
    assert named_config("nano", 512).image_size == 512
