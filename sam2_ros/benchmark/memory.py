"""How much memory is held."""

from __future__ import annotations

import ctypes
import gc
import os
import re
from contextlib import suppress
from pathlib import Path

import torch

MEGABYTE = 2**20


class MemoryGauge:
    """Bytes of this process that are in memory, as Linux counts them; on a GPU, those of its tensors there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def held(self) -> int:
        """Now."""
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device)
        return resident_memory()

    def restart_peak(self) -> None:
        """The highest is looked for from now on."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            with suppress(OSError):  # where /proc is read-only, the peak is that of the whole process
                Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> int:
        """The highest since then."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        kilobytes = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
        return 1024 * int(kilobytes[1]) if kilobytes else resident_memory()


def resident_memory() -> int:
    """Bytes of this process that are in memory now, as Linux counts them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def return_free_memory() -> None:
    """To the system: what malloc keeps for later is no growth, and growth would hide in it (glibc)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
