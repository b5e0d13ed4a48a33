"""How much memory is held."""

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
    """Bytes of this process, or on a GPU of its tensors there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def held(self) -> int:
        """In use now, without the free memory that malloc keeps for later."""
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device)
        return resident_memory() - _kept_free()

    def restart_peak(self) -> None:
        """Measures the peak from now on."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            with suppress(OSError):  # where /proc is read-only, the peak is that of the whole process
                Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> int:
        """The maximum since `restart_peak`, with the free memory that malloc keeps."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        kilobytes = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
        return 1024 * int(kilobytes[1]) if kilobytes else resident_memory()


def resident_memory() -> int:
    """Bytes of this process that are in memory now, as Linux counts them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _MallocInfo(ctypes.Structure):
    """`struct mallinfo2` of malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def _find_mallinfo() -> Callable[[], _MallocInfo] | None:
    """None before glibc 2.33."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is not None:
        mallinfo.restype = _MallocInfo
    return mallinfo


_mallinfo = _find_mallinfo()


def _kept_free() -> int:
    """Bytes that malloc holds and that are not in use, where it reports them."""
    return int(_mallinfo().fordblks) if _mallinfo else 0
