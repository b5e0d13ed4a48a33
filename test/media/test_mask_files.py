"""Masks are read from picture files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sam2_ros.media.mask_files import read_mask
from sam2_ros.tracking import PromptError

OBJECT = np.zeros((64, 96), bool)
OBJECT[16:48, 24:80] = True
RANDOM_PALETTE = np.random.default_rng(0).integers(1, 256, 768).tolist()
DAVIS_COLOURS = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
DAVIS_PALETTE = [value for colour in (*DAVIS_COLOURS, (128, 128, 128), (64, 0, 0)) for value in colour]


def indexed(label: int, palette: list[int]) -> Image.Image:
    picture = Image.fromarray((OBJECT * label).astype(np.uint8)).convert("P")
    picture.putdata((OBJECT * label).astype(np.uint8).ravel().tolist())
    picture.putpalette(palette)
    return picture


def cut_out() -> Image.Image:
    photo = np.random.default_rng(0).integers(0, 256, (*OBJECT.shape, 3), np.uint8)
    return Image.fromarray(np.dstack([photo, OBJECT.astype(np.uint8) * 255]), "RGBA")


WHITE = Image.fromarray(OBJECT.astype(np.uint8) * 255)
LABEL = Image.fromarray(OBJECT.astype(np.uint8))
PNG = cv2.imencode(".png", np.array(WHITE))[1].tobytes()


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("white.png", WHITE.save),
        ("one.png", LABEL.save),
        ("bits.png", WHITE.convert("1").save),
        ("colour.png", WHITE.convert("RGB").save),
        ("label16.png", Image.fromarray(OBJECT.astype(np.uint16)).save),
        ("white16.png", Image.fromarray(OBJECT.astype(np.uint16) * 65535).save),
        ("davis1.png", indexed(1, DAVIS_PALETTE).save),
        ("davis8.png", indexed(8, DAVIS_PALETTE).save),
        ("colourful index.png", indexed(3, RANDOM_PALETTE).save),
        ("grey index.png", indexed(1, [value for value in range(256) for _ in range(3)]).save),
        ("transparent index.png", lambda path: indexed(1, RANDOM_PALETTE).save(path, transparency=0)),
        ("black and white index.png", WHITE.convert("P", palette=Image.Palette.ADAPTIVE).save),
        ("cut out.png", cut_out().save),
        ("cut out.webp", lambda path: cut_out().save(path, lossless=True)),
        ("grey with alpha.png", Image.merge("LA", (WHITE, WHITE)).save),
        ("white.bmp", WHITE.save),
        ("white.gif", WHITE.save),
        ("white.tiff", WHITE.save),
        ("probability.tiff", Image.fromarray(OBJECT.astype(np.float32) * np.float32(0.9)).save),
        ("white.jpg", WHITE.save),
        ("colour.jpeg", lambda path: WHITE.convert("RGB").save(path, quality=40)),
        (
            os.fsdecode(b"caf\xe9.png"),
            lambda path: Path(path).write_bytes(PNG),
        ),
    ],
)
def test_a_mask_is_read_from(name: str, save: Callable[[str], object], tmp_path: Path) -> None:
    path = str(tmp_path / name)
    save(path)
    mask = read_mask(path)
    smeared = np.zeros_like(OBJECT)
    if "jp" in name:
        thick = OBJECT.astype(np.uint8)
        smeared = cv2.dilate(thick, np.ones((3, 3))) != cv2.erode(thick, np.ones((3, 3)))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask[~smeared], OBJECT[~smeared])


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="mask .*mask.png does not exist; expected a picture such as a PNG"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"no picture", "is no picture: the 10 bytes cannot be decoded"),
        (lambda data: b"", "is no picture: there are 0 bytes"),
        (lambda data: data[: len(data) // 2], "is no picture: the PNG of .* bytes is cut off before its end marker"),
    ],
)
def test_a_file_that_is_no_picture_is_named_with_the_reason(
    damage: Callable[[bytes], bytes], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "mask.png"
    WHITE.save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(PromptError, match=f"mask .*mask.png {reason}"):
        read_mask(path)


def test_a_picture_of_unusable_values_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.where(OBJECT, 4.0, -4.0).astype(np.float32)).save(tmp_path / "logits.tiff")
    with pytest.raises(PromptError, match="mask .*logits.tiff: mask has values from -4 to 4, expected 0..1"):
        read_mask(tmp_path / "logits.tiff")
