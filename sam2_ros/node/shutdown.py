"""Orderly shutdown of the executables on SIGINT or SIGTERM, within a time limit.

A watchdog thread receives the signal and asks the program to stop, so that a signal never interrupts Python code. If
the program does not stop in time, the watchdog ends the process. No process runs the interpreter's own shutdown, which
aborts while another thread is inside PyTorch or DDS.
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
_DDS_SHUTDOWN_LIMIT = 1  # seconds


def reset_signal_handlers() -> None:
    """Restore the default handlers: a signal ends the process immediately, which is right during imports."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


class Watchdog:
    """Calls `stop` on its own thread at the first signal; ignores further ones.

    A process that still runs `limit` seconds after the first signal exits with code 0.
    """

    def __init__(self, stop: Callable[[], object], limit: float = LIMIT) -> None:
        self._stop = stop
        self._limit = limit
        self._signal: int = signal.SIGTERM  # the first one
        self._signals, writer = os.pipe()
        os.set_blocking(writer, False)
        # The pipe is written immediately; a Python handler waits while the main thread is inside C code.
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _ignore)
        threading.Thread(target=self._monitor, name="shutdown watchdog", daemon=True).start()

    def limit_dds_shutdown(self) -> None:
        """Call before shutting DDS down: if that takes longer than a second, the signal ends the process.

        Over TCP (FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA) Fast DDS 3.2 cannot close a connection before its other end
        has sent something. That may never happen, and the call holds Python's GIL, so a kernel timer has to end it.
        """
        reset_signal_handlers()
        libc = ctypes.CDLL(None)
        event = (ctypes.c_int * 16)()  # struct sigevent: a value (2 ints), the signal, how it notifies (0: by it)
        event[2] = self._signal
        timer = ctypes.c_void_p()
        libc.timer_create(time.CLOCK_MONOTONIC, event, ctypes.byref(timer))
        libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, _DDS_SHUTDOWN_LIMIT, 0), None)  # struct itimerspec: once

    def _monitor(self) -> None:
        self._signal = os.read(self._signals, 1)[0]
        timer = threading.Timer(self._limit, os._exit, [0])
        timer.daemon = True
        timer.start()
        self._stop()


def end_node(watchdog: Watchdog | None, code: int) -> NoReturn:
    """Shut ROS down within the watchdog's limit, and end the process with an exit code."""
    import rclpy  # takes long, and this module is imported first

    if watchdog is not None:
        watchdog.limit_dds_shutdown()
    rclpy.try_shutdown()
    exit_process(code)


def exit_process(code: int) -> NoReturn:
    """End the process with an exit code, without the interpreter's shutdown; all files have to be closed already."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a closed pipe
            stream.flush()
    os._exit(code)


def _ignore(number: int, frame: Any) -> None:
    """The watchdog reads the signal from the pipe."""
