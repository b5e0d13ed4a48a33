"""Files that are complete or not there, and errors that name them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def named_errors(file: Path) -> Iterator[None]:
    """Name `file` in an OSError that lacks a name, as one of a full disk does."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(file)) from error


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a path to write to; it replaces `file` once it is complete, and is removed if writing fails."""
    partial = file.with_name(f"{file.name}.partial")
    try:
        with named_errors(file):
            yield partial
            partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
