"""Runs a command of this package: its users get one line instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable


def run(name: str, command: Callable[[], None]) -> int:
    """The exit code: 1 for what the user can put right, 130 for Ctrl-C."""
    try:
        command()
    except (OSError, ValueError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
