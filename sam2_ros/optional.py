"""Optional libraries, which only some commands need."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingLibraryError(ValueError):
    """An optional library that cannot be imported; the message says what needs it and how to install it."""


def require(module: str, purpose: str, extra: str) -> ModuleType:
    """Import `module`. Raises MissingLibraryError, which names `purpose` and the package's `extra`.

    If the library is installed but its import fails, like MuJoCo without OpenGL, the message has the reason.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.split(".")[0]
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == library:
            raise MissingLibraryError(f"{purpose} needs {library}: pip install -e '.[{extra}]'") from error
        reason = " ".join(str(error).split())
        raise MissingLibraryError(f"{purpose} needs {library}, which cannot be imported: {reason}") from error
