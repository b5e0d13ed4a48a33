"""Complete pictures are decoded, whatever follows their end; truncated ones are refused."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from sam2_ros.media.decoding import DecodeError, decode

PICTURE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8), (0, 0), 2)


def encoded(extension: str, picture: np.ndarray = PICTURE) -> bytes:
    return cv2.imencode(extension, picture)[1].tobytes()


def saved(picture: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, **options)
    return file.getvalue()


def segments(jpeg: bytes) -> list[bytes]:
    """The start marker, the segments of the header and the scan with all that follows."""
    parts, at = [jpeg[:2]], 2
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        parts.append(jpeg[at:end])
        at = end
    return [*parts, jpeg[at:]]


def with_preview(jpeg: bytes) -> bytes:
    """A small JPEG in its header, as cameras put it into EXIF."""
    preview = b"Exif\0\0" + encoded(".jpg", PICTURE[::8, ::8])
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    return jpeg[:2] + segment + jpeg[2:]


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("padding", [b"", bytes(1), bytes(1023), bytes(1025), bytes(2_000_000), b"\xaa" * 5000])
def test_bytes_after_the_end_are_ignored(padding: bytes, extension: str) -> None:
    data = encoded(extension)
    np.testing.assert_array_equal(decode(data + padding), decode(data))


@pytest.mark.parametrize("padding", [b"", bytes(5000)])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_truncated_pictures_are_refused_even_with_padding(extension: str, part: float, padding: bytes) -> None:
    data = encoded(extension)
    kind = {".jpg": "JPEG", ".png": "PNG"}[extension]
    with pytest.raises(DecodeError, match=rf"the {kind} of \d+ bytes is cut off before its end marker"):
        decode(data[: int(part * len(data))] + padding)


def test_the_end_of_a_preview_is_not_the_end_of_the_jpeg() -> None:
    data = with_preview(encoded(".jpg"))
    np.testing.assert_array_equal(decode(data), decode(encoded(".jpg")))
    for length in (len(data) // 2, len(data) - 2):
        with pytest.raises(DecodeError, match="cut off"):
            decode(data[:length])


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_off_by_the_next_one_is_refused(progressive: bool) -> None:
    jpeg = saved(Image.fromarray(PICTURE), format="JPEG", progressive=progressive)
    with pytest.raises(DecodeError, match="cut off"):
        decode(jpeg[:-100] + jpeg)
    assert decode(jpeg + jpeg).shape == PICTURE.shape


def test_motion_jpegs_without_huffman_tables_are_decoded() -> None:
    data = encoded(".jpg")
    without = b"".join(part for part in segments(data) if part[:2] != b"\xff\xc4")
    assert len(without) < len(data)
    np.testing.assert_array_equal(decode(without), decode(data))


@pytest.mark.parametrize("data", [b"", b"text", bytes(500), b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="0 bytes|cannot be decoded|cut off"):
        decode(data)


def test_a_picture_larger_than_opencv_allows_is_refused() -> None:
    png = bytearray(encoded(".png"))
    png[16:24] = (60_000).to_bytes(4, "big") * 2  # the size in its header
    with pytest.raises(DecodeError):
        decode(bytes(png))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_a_png_keeps_its_samples(channels: int | None, dtype: type) -> None:
    shape = (20, 30) if channels is None else (20, 30, channels)
    picture = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    np.testing.assert_array_equal(decode(encoded(".png", picture)), picture)


def test_a_rotation_by_exif_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(saved(Image.fromarray(PICTURE), format="JPEG", exif=exif)).shape == PICTURE.shape


def test_cmyk_jpegs_keep_their_colours() -> None:
    picture = Image.new("RGB", (32, 32), (200, 40, 90))
    bgr = decode(saved(picture.convert("CMYK"), format="JPEG", quality=95))
    np.testing.assert_allclose(bgr, np.full((32, 32, 3), (90, 40, 200)), atol=6)
