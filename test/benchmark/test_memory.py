"""Memory in use by this process."""

from mmap import mmap

import numpy as np
import torch

from sam2_ros.benchmark.memory import MEGABYTE, MemoryGauge, resident_memory

GAUGE = MemoryGauge(torch.device("cpu"))


def test_allocated_memory_is_in_use_and_freed_memory_is_not() -> None:
    before = GAUGE.in_use()
    kept = np.ones(64 * MEGABYTE, np.uint8)
    assert GAUGE.in_use() - before > 60 * MEGABYTE
    del kept
    assert GAUGE.in_use() - before < 8 * MEGABYTE


def test_the_peak_is_the_maximum_since_restart_peak() -> None:
    GAUGE.restart_peak()
    before = resident_memory()
    with mmap(-1, 64 * MEGABYTE) as pages:  # new to the process, whatever malloc keeps
        pages.write(bytes(64 * MEGABYTE))
    assert GAUGE.peak() - before > 60 * MEGABYTE
    GAUGE.restart_peak()
    assert GAUGE.peak() - resident_memory() < 8 * MEGABYTE
