"""Any image of a mask is converted to the object's pixels."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from sam2_ros.tracking import PromptError
from sam2_ros.tracking.mask_prompts import cover_warning, to_mask

OBJECT = np.zeros((96, 128), bool)  # a disc, with smooth edges to draw
cv2.circle(OBJECT.view(np.uint8), (60, 50), 25, 1, -1)
EDGE = cv2.dilate(OBJECT.view(np.uint8), np.ones((5, 5))) != cv2.erode(OBJECT.view(np.uint8), np.ones((5, 5)))


def grey(value: float, dtype: type = np.uint8) -> np.ndarray:
    """The object in this value on black."""
    return OBJECT.astype(dtype) * dtype(value)


def coloured(*colour: int, dtype: type = np.uint8) -> np.ndarray:
    return OBJECT[..., None] * np.array(colour, dtype)


def cut_out(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.concatenate([colour, alpha[..., None]], axis=2)


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return decoded


PHOTO = np.random.default_rng(0).integers(0, 256, (*OBJECT.shape, 3), np.uint8)
EXACT: dict[str, Callable[[], object]] = {
    "bool": lambda: OBJECT,
    "nested lists": lambda: OBJECT.astype(int).tolist(),
    "0 and 1": lambda: grey(1),
    "0 and 255": lambda: grey(255),
    "0 and 100": lambda: grey(100),
    "16 bits, 1": lambda: grey(1, np.uint16),
    "16 bits, 300": lambda: grey(300, np.uint16),
    "16 bits, 65535": lambda: grey(65535, np.uint16),
    "int64, 1": lambda: grey(1, np.int64),
    "int64, 255": lambda: grey(255, np.int64),
    "-1 as background": lambda: np.where(OBJECT, 3, -1),
    "red": lambda: coloured(255, 0, 0),
    "dark red": lambda: coloured(128, 0, 0),
    "dark blue of DAVIS' eighth object": lambda: coloured(0, 0, 64),
    "blue in 16 bits": lambda: coloured(0, 0, 40000, dtype=np.uint16),
    "red and opaque": lambda: cut_out(coloured(255, 0, 0), np.full(OBJECT.shape, 255, np.uint8)),
    "white, alpha never filled": lambda: cut_out(coloured(255, 255, 255), np.zeros(OBJECT.shape, np.uint8)),
    "white, alpha nearly even": lambda: cut_out(coloured(255, 255, 255), np.where(OBJECT, 254, 255).astype(np.uint8)),
    "cut out of a photograph": lambda: cut_out(PHOTO, grey(255)),
    "black shape on nothing": lambda: cut_out(coloured(0, 0, 0), grey(255)),
    "half transparent overlay": lambda: cut_out(coloured(0, 255, 0), grey(102)),
    "background half transparent": lambda: cut_out(PHOTO, np.where(OBJECT, 255, 128).astype(np.uint8)),
    "grey with alpha": lambda: cut_out(grey(255)[..., None], grey(255)),
    "alpha of floats": lambda: cut_out(np.ones((*OBJECT.shape, 3)), grey(1.0, np.float64)),
    "probabilities": lambda: np.where(OBJECT, 0.7, 0.4).astype(np.float32),
    "half precision": lambda: grey(1, np.float16),
    "probabilities with gaps": lambda: np.where(OBJECT, 0.9, np.nan),
    "infinite outside": lambda: np.where(OBJECT, 0.9, np.inf),
    "resized probabilities": lambda: np.where(OBJECT, 1.04, -0.04),
    "floats up to 255": lambda: grey(255.0, np.float32),
    "float labels": lambda: np.where(OBJECT, 2.0, 0.0),
    "one channel": lambda: grey(1)[..., None],
    "one mask of a network": lambda: OBJECT[None],
    "tensor": lambda: torch.from_numpy(OBJECT),
    "tensor of bfloat16": lambda: torch.from_numpy(OBJECT).bfloat16(),
    "tensor with a gradient": lambda: torch.from_numpy(OBJECT).float().requires_grad_(),
    "PIL, one bit": lambda: Image.fromarray(OBJECT),
    "PIL, indexed": lambda: Image.fromarray(grey(1)).convert("P"),
    "not contiguous": lambda: np.repeat(grey(255), 2, axis=1)[:, ::2],
    "big-endian": lambda: grey(1, np.uint16).astype(">u2"),
}


@pytest.mark.parametrize("image", EXACT.values(), ids=EXACT)
def test_the_object_is_found_in(image: Callable[[], object]) -> None:
    mask = to_mask(image())
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, OBJECT)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("colour", [(255, 255, 255), (200, 200, 200), (255, 0, 0)])
def test_jpeg_artefacts_on_black_are_black(colour: tuple[int, int, int], quality: int) -> None:
    wrong = to_mask(jpeg(coloured(*colour), quality)) != OBJECT
    assert np.count_nonzero(wrong & ~EDGE) <= 1


@pytest.mark.parametrize("quality", range(5, 101, 5))
def test_grey_jpegs_of_any_quality_are_converted(quality: int) -> None:
    np.testing.assert_array_equal(to_mask(jpeg(grey(255), quality))[~EDGE], OBJECT[~EDGE])


@pytest.mark.parametrize("seed", range(30))
def test_jpegs_of_any_shape_brightness_and_quality_are_converted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = np.zeros((150, 200), np.uint8)
    cv2.fillPoly(shape, [rng.integers(0, 150, (4, 2), np.int32)], 1)
    cv2.circle(shape, rng.integers(20, 130, 2).tolist(), 20, 1, -1)
    black, bright = rng.choice([0, 2]), rng.choice([100, 200, 255])
    mask = to_mask(jpeg(np.where(shape, bright, black).astype(np.uint8), quality=int(rng.integers(30, 101))))
    assert np.count_nonzero(mask & (shape > 0)) > 0.95 * np.count_nonzero(mask | (shape > 0))


@pytest.mark.parametrize("background", [1, 3, 8])
def test_uniformly_brightened_black_is_black(background: int) -> None:
    np.testing.assert_array_equal(to_mask(np.where(OBJECT, 254, background).astype(np.uint8)), OBJECT)


@pytest.mark.parametrize("full_scale", [255, 1023, 65535])
def test_smooth_edges_have_their_threshold_at_half(full_scale: int) -> None:
    soft = cv2.GaussianBlur(OBJECT.astype(np.float32), (0, 0), 2) * full_scale
    mask = to_mask(soft.astype(np.uint16 if full_scale > 255 else np.uint8))
    np.testing.assert_array_equal(mask, soft.astype(int) > full_scale / 2)


@pytest.mark.parametrize(
    "values", [(1, 2), (1, 20), (38, 75, 113), (30, 255), (1, 300), (1001, 26001)], ids=lambda values: str(values)
)
def test_every_value_but_zero_is_the_object_in_a_label_image(values: tuple[int, ...]) -> None:
    labels = np.zeros(OBJECT.shape, np.uint16)
    for i, value in enumerate(values):
        labels[10:30, 10 + 25 * i : 30 + 25 * i] = value
    np.testing.assert_array_equal(to_mask(labels), labels > 0)
    if max(values) <= 255:
        np.testing.assert_array_equal(to_mask(labels.astype(np.uint8)), labels > 0)


def test_all_colours_of_a_coloured_label_image_are_the_object() -> None:
    labels = np.zeros((*OBJECT.shape, 3), np.uint8)
    labels[10:30, 10:30], labels[10:30, 40:60], labels[10:30, 70:90] = (128, 0, 0), (0, 64, 0), (192, 128, 128)
    np.testing.assert_array_equal(to_mask(labels), labels.any(axis=2))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("value", [0, 1])
def test_an_image_of_one_value_is_full_or_empty(value: int, dtype: type) -> None:
    assert (to_mask(np.full((4, 6), value, dtype)) == bool(value)).all()


@pytest.mark.parametrize(
    "image", [None, "mask.png", b"mask", [[1, 0], [1]], np.array([["a"]]), 7, np.zeros((2, 2), complex), {1: 2}]
)
def test_anything_but_an_array_of_numbers_is_a_type_error(image: object) -> None:
    with pytest.raises(TypeError, match=r"mask is a \w+, expected an array \(height, width\) of bool or numbers"):
        to_mask(image)


@pytest.mark.parametrize("shape", [(5,), (0, 4), (4, 0, 3), (4, 5, 7), (3, 20, 30), (1, 1, 4, 4)])
def test_other_shapes_than_those_of_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PromptError, match=r"mask has shape .*, expected \(height, width\)"):
        to_mask(np.zeros(shape, np.uint8))


def test_logits_are_refused_with_the_conversion() -> None:
    with pytest.raises(
        PromptError, match=r"values from -8 to 6, expected 0..1, or 0 and 255: pass logits > 0 for logits"
    ):
        to_mask(np.where(OBJECT, 6.0, -8.0))


def test_a_mask_of_more_than_nine_tenths_has_a_warning() -> None:
    mask = np.ones((10, 10), bool)
    assert "covers 100 % of the image: is it inverted?" in cover_warning(mask)
    mask[0] = False
    assert not cover_warning(mask)
    assert not cover_warning(None)
