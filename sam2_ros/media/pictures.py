"""Reads and writes picture files, whose names need not be UTF-8, and reads folders of them as videos."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from .dynamic_range import BitDepth, SteadyRange

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


class PictureError(ValueError):
    """A folder of pictures that cannot be read; the message says why and what to do."""


def read_picture(path: str | os.PathLike[str], flags: int = cv2.IMREAD_COLOR) -> np.ndarray | None:
    """The same as `cv2.imread` with these flags; None for a file that is no picture. Raises OSError."""
    content = np.frombuffer(Path(path).read_bytes(), np.uint8)
    try:
        return cv2.imdecode(content, flags) if len(content) else None
    except cv2.error:  # a header that asks for more memory than OpenCV allows
        return None


def write_picture(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Write the same as `cv2.imwrite`, by `write_whole`."""
    _, content = cv2.imencode(Path(path).suffix, picture)
    write_whole(path, content.tobytes())


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a complete file or none; raises OSError that names it."""
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        Path(path).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order: 2.jpg before 10.jpg. Raises PictureError if there is none."""
    visible = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    files = [file for file in visible if file.suffix.lower() in _SUFFIXES]
    if not files:
        raise PictureError(f"folder {folder} has no pictures, expected files such as 000000.jpg ({_listed()})")
    return sorted(files, key=lambda file: _natural(file.name))


def read_pictures(files: list[Path]) -> Iterator[np.ndarray]:
    """Yield each picture (H, W, 3) uint8 RGB; those of more than 8 bits are scaled by one common scale.

    Raises PictureError for a picture that cannot be read or differs in size from the first.
    """
    shape: tuple[int, ...] | None = None
    depth, steady_range = BitDepth(), SteadyRange()
    for file in files:
        picture = read_picture(file, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        if picture is None:
            raise PictureError(f"picture {file} cannot be read; it is damaged or empty: replace or remove it")
        shape = shape or picture.shape
        if picture.shape != shape:
            raise PictureError(
                f"picture {file} has {_size(picture.shape)} pixels, expected {_size(shape)} as {files[0].name} has: "
                "all pictures of a folder must have one size"
            )
        if picture.dtype != np.uint8:
            picture = (depth if picture.dtype == np.uint16 else steady_range).to_bytes(picture)
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that compares numbers by value and text case-insensitively."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), part) if i % 2 else (0, part.lower()) for i, part in enumerate(parts)]


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _listed() -> str:
    return ", ".join(suffix[1:] for suffix in _SUFFIXES)
