"""Decodes the bytes of a JPEG, PNG or other picture; truncated ones are refused."""

from __future__ import annotations

import cv2
import numpy as np

_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"


class DecodeError(ValueError):
    """Bytes that are no complete picture; the message says why."""


def decode(data: bytes) -> np.ndarray:
    """(H, W) grey or (H, W, 3 or 4) BGR(A), of the file's own type; bytes after its end are ignored.

    Alpha is kept; a rotation in EXIF is not applied. Raises DecodeError.
    """
    if not data:
        raise DecodeError("there are 0 bytes, expected a JPEG or PNG")
    if data.startswith(_JPEG_START) and _is_cut_off(data):
        raise DecodeError(f"the JPEG of {len(data)} bytes is cut off before its end marker")
    if data.startswith(_PNG_START) and _PNG_END not in data:
        raise DecodeError(f"the PNG of {len(data)} bytes is cut off before its end marker")
    try:
        picture: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:  # a header that asks for more memory than OpenCV allows
        raise DecodeError(f"OpenCV cannot decode the {len(data)} bytes: {error.err}") from error
    if picture is None:
        raise DecodeError(f"the {len(data)} bytes cannot be decoded, expected a JPEG or PNG")
    return picture


def _is_cut_off(data: bytes) -> bool:
    """Whether a JPEG lacks its end, also where the next one follows at once: pixels hold no marker of a start."""
    start = _scan_start(data)
    end = data.find(_JPEG_END, start)
    return end < 0 or data.find(_JPEG_START, start, end) >= 0


def _scan_start(data: bytes) -> int:
    """Offset of a JPEG's scan: a preview in the header has an end marker of its own."""
    offset = len(_JPEG_START)
    while offset + 4 <= len(data) and data[offset] == 0xFF and data[offset + 1] != _JPEG_SCAN:
        is_padding = data[offset + 1] == 0xFF
        offset += 1 if is_padding else 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return offset
