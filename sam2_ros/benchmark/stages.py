"""Time per stage on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..tracking.stopwatch import Stopwatch


class DeviceStopwatch(Stopwatch):
    """Marks begin and end of each stage in the GPU's own queue, so that nothing waits for it.

    `seconds` can be read once the GPU has finished the frame.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._stream = torch.cuda.current_stream(device)
        self._spans: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @property
    def seconds(self) -> dict[str, float]:
        """Of each stage."""
        seconds: dict[str, float] = {}
        for stage, begin, end in self._spans:
            seconds[stage] = seconds.get(stage, 0.0) + begin.elapsed_time(end) / 1000
        return seconds

    def restart(self) -> None:
        """Clears all stages."""
        self._spans = []

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Times the work that is queued inside."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record(self._stream)
        yield
        end.record(self._stream)
        self._spans.append((stage, begin, end))


def stopwatch_for(device: torch.device) -> Stopwatch:
    """A clock on the device that does the work."""
    return DeviceStopwatch(device) if device.type == "cuda" else Stopwatch()
