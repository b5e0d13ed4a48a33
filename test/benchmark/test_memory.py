"""Bytes of this process."""

from mmap import mmap

import numpy as np
import torch

from sam2_ros.benchmark.memory import MEGABYTE, MemoryGauge, resident_memory

GAUGE = MemoryGauge(torch.device("cpu"))


def test_what_is_kept_counts_and_what_is_freed_does_not() -> None:
    before = GAUGE.held()
    kept = np.ones(64 * MEGABYTE, np.uint8)
    assert GAUGE.held() - before > 60 * MEGABYTE
    del kept
    assert GAUGE.held() - before < 8 * MEGABYTE


def test_the_peak_is_that_since_it_was_restarted() -> None:
    GAUGE.restart_peak()
    before = resident_memory()
    with mmap(-1, 64 * MEGABYTE) as pages:  # new to the process, whatever malloc keeps
        pages.write(bytes(64 * MEGABYTE))
    assert GAUGE.peak() - before > 60 * MEGABYTE
    GAUGE.restart_peak()
    assert GAUGE.peak() - resident_memory() < 8 * MEGABYTE
