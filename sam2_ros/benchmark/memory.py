"""Memory in use."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

MEGABYTE = 2**20


class MemoryGauge:
    """Memory of this process, or of its tensors on a GPU (bytes)."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def in_use(self) -> int:
        """Memory in use now, without the free memory that malloc keeps."""
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device)
        return resident_memory() - _kept_free()

    def restart_peak(self) -> None:
        """Measure the peak from now on."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            with suppress(OSError):  # where /proc is read-only, the peak is that since the start of the process
                Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> int:
        """The maximum since `restart_peak`, including free memory that malloc keeps."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        kilobytes = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
        return 1024 * int(kilobytes[1]) if kilobytes else resident_memory()


def resident_memory() -> int:
    """The resident set size of this process (bytes)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _MallocInfo(ctypes.Structure):
    """`struct mallinfo2` of malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def _find_mallinfo() -> Callable[[], _MallocInfo] | None:
    """None before glibc 2.33."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is not None:
        mallinfo.restype = _MallocInfo
    return mallinfo


_mallinfo = _find_mallinfo()


def _kept_free() -> int:
    """Free bytes that malloc keeps, 0 where it does not report them."""
    return int(_mallinfo().fordblks) if _mallinfo else 0
