"""Libraries that only some commands need."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingLibraryError(ValueError):
    """An optional library that is not installed; the message says what needs it and how to install it."""


def require(module: str, purpose: str, extra: str) -> ModuleType:
    """Import `module`. Raises MissingLibraryError, which names `purpose` and the package's `extra`.

    A library that is installed but lacks a part of its own, as MuJoCo without OpenGL does, is named with its complaint.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.split(".")[0]
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == library:
            raise MissingLibraryError(f"{purpose} needs {library}: pip install -e '.[{extra}]'") from error
        reason = " ".join(str(error).split())
        raise MissingLibraryError(f"{purpose} needs {library}, which cannot be imported: {reason}") from error
