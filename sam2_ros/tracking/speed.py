"""Statistics of latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Speed:
    """Latency and rate of frames that were processed one after another."""

    frames: int
    mean: float  # seconds per frame, as the following
    median: float
    p99: float

    @property
    def rate(self) -> float:
        """Frames per second, 0 without frames."""
        return 1 / self.mean if self.mean else 0.0

    def __str__(self) -> str:
        return f"{self.rate:.1f} frames/s (latency median {1e3 * self.median:.1f} ms, p99 {1e3 * self.p99:.1f} ms)"


def speed_of(latencies: Sequence[float] | np.ndarray) -> Speed:
    """The statistics of latencies (seconds); zeros without frames."""
    if not len(latencies):
        return Speed(0, 0.0, 0.0, 0.0)
    median, p99 = np.percentile(latencies, (50, 99))
    return Speed(len(latencies), float(np.mean(latencies)), float(median), float(p99))
