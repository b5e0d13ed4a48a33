"""Samples of more than 8 bits are converted to 8 with a steady scale."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_ros.media.dynamic_range import BitDepth, SteadyRange

GREY = np.tile(np.arange(256, dtype=np.uint8), (200, 1))  # a ramp, (200, 256)


def aligned(bits: int) -> np.ndarray:
    """The ramp in the lowest bits of 16."""
    return GREY.astype(np.uint16) << (bits - 8)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_used_bits_are_detected(bits: int) -> None:
    depth = BitDepth()
    np.testing.assert_array_equal(depth.to_bytes(aligned(bits)), GREY)
    assert depth.value == bits


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_samples_in_the_highest_bits_keep_their_brightness(bits: int) -> None:
    low_bits_empty = aligned(16) >> (16 - bits) << (16 - bits)
    np.testing.assert_array_equal(BitDepth().to_bytes(low_bits_empty), GREY)


def test_the_depth_grows_and_never_shrinks() -> None:
    depth = BitDepth()
    found = []
    for bits in (10, 12, 10, 8, 14, 12):
        depth.to_bytes(aligned(bits))
        found.append(depth.value)
    assert found == [10, 12, 12, 12, 14, 14]
    np.testing.assert_array_equal(depth.to_bytes(aligned(10)), GREY >> 4)


def test_a_few_hot_pixels_are_white_and_do_not_change_the_depth() -> None:
    pixels = aligned(12)
    pixels[7, ::50] = 65535
    depth = BitDepth()
    scaled = depth.to_bytes(pixels)
    assert depth.value == 12
    assert (scaled[7, ::50] == 255).all() and np.array_equal(scaled[8:], GREY[8:])


@pytest.mark.parametrize("rows", [slice(0, 2), slice(-2, None)], ids=["first", "last"])
def test_rows_of_data_that_the_camera_embeds_do_not_count(rows: slice) -> None:
    pixels = aligned(10)
    pixels[rows] = np.random.default_rng(0).integers(0, 65536, (2, 256))
    depth = BitDepth()
    scaled = depth.to_bytes(pixels)
    assert depth.value == 10
    np.testing.assert_array_equal(scaled[2:-2], GREY[2:-2])


def test_a_given_depth_is_kept_for_all_images() -> None:
    depth = BitDepth(12)
    np.testing.assert_array_equal(depth.to_bytes(aligned(12)), GREY)
    np.testing.assert_array_equal(depth.to_bytes(aligned(8)), GREY >> 4)
    assert depth.to_bytes(aligned(16))[:, 40:].min() == 255
    assert (depth.value, depth.needed) == (12, 16)


@pytest.mark.parametrize("bits", [9, 11, 13, 15])
def test_odd_depths_can_be_given(bits: int) -> None:
    np.testing.assert_array_equal(BitDepth(bits).to_bytes(aligned(bits)), GREY)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1000, 3), (1080, 1920)])
def test_every_shape_is_scaled(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, shape, np.uint16)
    assert BitDepth(12).to_bytes(pixels).shape == shape
    assert SteadyRange().to_bytes(pixels).shape == shape


def test_a_bright_colour_of_a_bayer_pattern_is_sampled() -> None:
    raw = np.zeros((1080, 1920), np.uint16)
    raw[1::2, 1::2] = 4000
    depth = BitDepth()
    depth.to_bytes(raw)
    assert depth.value == 12


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_a_range_is_scaled_from_black_to_white(dtype: type) -> None:
    stretched = SteadyRange().to_bytes((GREY.astype(float) * 10 + 7000).astype(dtype))
    np.testing.assert_allclose(stretched, GREY, atol=2)


@pytest.mark.parametrize("hot", [65535, 1])
def test_hot_and_dead_pixels_do_not_change_the_range(hot: int) -> None:
    pixels = GREY.astype(np.uint16) * 10 + 7000
    clean = SteadyRange().to_bytes(pixels)
    pixels[3, ::40] = hot
    np.testing.assert_array_equal(SteadyRange().to_bytes(pixels)[4:], clean[4:])


def test_a_range_adapts_slowly() -> None:
    steady = SteadyRange()
    scene = GREY.astype(np.float32)
    before = steady.to_bytes(scene)
    bright = scene.copy()
    bright[:, :20] = 1000.0  # something twice as bright as all before, on a tenth of the image
    change = np.abs(steady.to_bytes(bright)[:, 20:].astype(int) - before[:, 20:])
    assert 0 < change.max() < 0.25 * 255
    for _ in range(60):
        after = steady.to_bytes(bright)
    assert after.max() == 255 and after[:, 20:].max() < 70


def test_a_range_without_overlap_adapts_at_once() -> None:
    steady = SteadyRange()
    steady.to_bytes(GREY.astype(np.uint16) + 1000)
    np.testing.assert_allclose(steady.to_bytes(GREY.astype(np.uint16) + 9000), GREY, atol=2)


def test_missing_measurements_are_black_and_do_not_change_the_range() -> None:
    depth = GREY / 255 + 2  # metres
    depth[:40], depth[40:60], depth[60:80] = 0, np.nan, np.inf
    stretched = SteadyRange().to_bytes(depth.astype(np.float32))
    assert not stretched[:80].any()
    np.testing.assert_allclose(stretched[80:], GREY[80:], atol=2)


@pytest.mark.filterwarnings("error")
def test_the_largest_floats_are_scaled() -> None:
    largest = np.finfo(np.float32).max
    pixels = np.tile(np.array([-largest, 1.0, largest, np.inf, -np.inf, np.nan], np.float32), (20, 1))
    np.testing.assert_allclose(SteadyRange().to_bytes(pixels)[0], [0, 127, 255, 0, 0, 0], atol=1)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 2.5])
def test_an_image_without_any_range_is_black(value: float) -> None:
    assert not SteadyRange().to_bytes(np.full((4, 4), value, np.float32)).any()
