"""How the executables end: on SIGINT or SIGTERM, at any moment, in good order and in time.

A signal never interrupts Python code half way. A watchdog thread takes it and asks the program to end; if the program
does not, the watchdog ends the process. No process runs the interpreter's own shutdown, which aborts while another
thread is inside PyTorch or DDS.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LIMIT = 3.5  # seconds from the first signal to the end of the process
_GOODBYE = 1  # seconds for DDS to leave the network


def end_at_once() -> None:
    """From here on a signal ends the process at once and silently: for the imports, while there is nothing to lose."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


class Watchdog:
    """From construction on, the first signal calls `stop` on a thread of its own; further ones change nothing.

    A process that still runs `limit` seconds after the first signal ends with exit code 0.
    """

    def __init__(self, stop: Callable[[], object], limit: float = LIMIT) -> None:
        self._stop = stop
        self._limit = limit
        self._signal: int = signal.SIGTERM  # the first one
        self._signals, writer = os.pipe()
        os.set_blocking(writer, False)
        # The pipe is written at once; a Python handler waits while the main thread is in a call of C.
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _ignore)
        threading.Thread(target=self._watch, name="shutdown watchdog", daemon=True).start()

    def limit_goodbye(self) -> None:
        """For the main thread, before it closes DDS: ends the process by the signal if that takes longer than a second.

        Over TCP (FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA) Fast DDS 3.2 cannot close a connection before its other end
        has sent something. That can last for ever and holds Python's lock, so a timer of the kernel has to end it.
        """
        end_at_once()
        libc = ctypes.CDLL(None)
        event = (ctypes.c_int * 16)()  # struct sigevent: a value (2 ints), the signal, how it notifies (0: by it)
        event[2] = self._signal
        timer = ctypes.c_void_p()
        libc.timer_create(time.CLOCK_MONOTONIC, event, ctypes.byref(timer))
        libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, _GOODBYE, 0), None)  # struct itimerspec: once

    def _watch(self) -> None:
        self._signal = os.read(self._signals, 1)[0]
        timer = threading.Timer(self._limit, os._exit, [0])
        timer.daemon = True
        timer.start()
        self._stop()


def leave(code: int) -> NoReturn:
    """Ends the process with an exit code. Everything has to be written by now."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _ignore(number: int, frame: Any) -> None:
    """The watchdog takes the signal."""
