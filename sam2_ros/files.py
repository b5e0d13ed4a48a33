"""Atomic writing of files, and errors that name their file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def error_text(error: Exception) -> str:
    """What went wrong, in one line; a file's name first."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


@contextmanager
def named_errors(file: Path) -> Iterator[None]:
    """Name `file` in an OSError without a file name, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(file)) from error


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces `file` when complete and is removed if writing fails."""
    partial = file.with_name(f"{file.name}.partial")
    try:
        with named_errors(file):
            yield partial
            partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
