"""How processes end that speak DDS.

Over TCP (FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA) Fast DDS 3.2 cannot close a connection before its other end has sent
something: its farewell to a silent peer can last for ever, and blocks all of Python.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

_PATIENCE = 5  # seconds


def limit() -> None:
    """Before a farewell: lets the process be ended by SIGALRM, should it last too long."""
    signal.alarm(_PATIENCE)


def leave(code: int) -> NoReturn:
    """Ends the process without a farewell; others take notice when they miss its signs of life."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
