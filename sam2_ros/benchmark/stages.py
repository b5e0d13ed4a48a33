"""Times the stages of a step on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..tracking.stopwatch import Stopwatch


class DeviceStopwatch(Stopwatch):
    """Records CUDA events at the begin and end of each stage, so that the host does not wait.

    `seconds` can be read after the GPU has finished the frame.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._stream = torch.cuda.current_stream(device)
        self._spans: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage."""
        seconds: dict[str, float] = {}
        for stage, begin, end in self._spans:
            seconds[stage] = seconds.get(stage, 0.0) + begin.elapsed_time(end) / 1000
        return seconds

    def restart(self) -> None:
        """Start again from zero."""
        self._spans = []

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time the GPU's work that is queued inside."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record(self._stream)
        yield
        end.record(self._stream)
        self._spans.append((stage, begin, end))


def stopwatch_for(device: torch.device) -> Stopwatch:
    """A stopwatch for the work of this device."""
    return DeviceStopwatch(device) if device.type == "cuda" else Stopwatch()
