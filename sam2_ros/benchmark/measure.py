"""Runs contestants on the same frames in turn, frame by frame, so that they meet the same machine.

Memory is that of the process. What one contestant frees another may take, so that growth is exact only for one alone.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch

from ..model import Sam2
from ..tracking import Click, Prompt, StreamingTracker, TrackerConfig
from ..tracking.report import Speed, speed_of

MEGABYTE = 2**20
_PERIOD = 1 / 30  # seconds between the stamps of two frames

Steps = Iterator[Mapping[str, float]]  # each step takes one frame; the seconds of its stages, where they are known


@dataclass(frozen=True)
class Workload:
    """Frames (H, W, 3) uint8 that are shown over and over, and a click for every object on the first of them."""

    frames: tuple[np.ndarray, ...]
    clicks: tuple[Click, ...]


@dataclass(frozen=True)
class Measurement:
    """What each frame after warm-up took (N,)."""

    latencies: np.ndarray  # seconds
    resident: np.ndarray  # bytes of memory after the frame; what others take in between does not count
    gpu_peak: int  # bytes, 0 without a GPU
    stages: dict[str, float]  # seconds, median

    @property
    def speed(self) -> Speed:
        """Median and 99th percentile."""
        return speed_of(self.latencies)

    @property
    def growth(self) -> float:
        """Megabytes from the first tenth of the frames to the last: what is allocated for a moment does not count."""
        tenth = math.ceil(len(self.resident) / 10)
        return float(np.median(self.resident[-tenth:]) - np.median(self.resident[:tenth])) / MEGABYTE

    @property
    def slope(self) -> float:
        """Megabytes per 1000 frames, by a straight line through all of them."""
        if len(self.resident) < 2:
            return 0.0
        return float(np.polyfit(np.arange(len(self.resident)), self.resident / MEGABYTE, 1)[0]) * 1000


def drawn_frames(size: tuple[int, int] = (480, 640), frames: int = 16) -> list[np.ndarray]:
    """Blocks of noise that drift, (H, W, 3) uint8 of `size` (H, W)."""
    noise = np.random.default_rng(0).integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
    picture = noise.repeat(8, axis=0).repeat(8, axis=1)
    return [np.roll(picture, 3 * i, axis=1) for i in range(frames)]


def workload(frames: Sequence[np.ndarray], objects: int) -> Workload:
    """Clicks on a grid; forwards and backwards through the frames, so that nothing jumps."""
    height, width = frames[0].shape[:2]
    columns = math.ceil(math.sqrt(objects))
    rows = math.ceil(objects / columns)
    places = ((i % columns, i // columns) for i in range(objects))
    clicks = tuple(Click((x + 0.5) / columns * width, (y + 0.5) / rows * height) for x, y in places)
    return Workload((*frames, *frames[-2:0:-1]), clicks)


def our_steps(model: Sam2, work: Workload, precision: str) -> Steps:
    """The streaming tracker, from the frame as the camera gives it to masks of its size; without end."""
    config = TrackerConfig(
        max_objects=len(work.clicks),
        memory_policy="reference",  # reads a full memory, whatever is seen on these frames
        precision=precision,
    )
    tracker = StreamingTracker(model, config)
    for index in count():
        tracker.step(work.frames[index % len(work.frames)], index * _PERIOD)
        if index == 0:
            for click in work.clicks:
                tracker.add(Prompt(clicks=(click,)))
        yield tracker.timings


def measure(
    contestants: Mapping[str, Steps],
    frames: int,
    warm_up: int,
    progress: Callable[[range], Iterable[int]] = iter,
) -> dict[str, Measurement]:
    """Takes `frames` steps with each contestant after `warm_up` steps that do not count."""
    records = {name: _Record(steps, frames) for name, steps in contestants.items()}
    for index in progress(range(-warm_up, frames)):
        if index == 0:
            _return_free_memory()
        for record in records.values():
            record.take_step(index)
    return {name: record.measurement() for name, record in records.items()}


def resident_memory() -> int:
    """Bytes of this process that are in memory now, as Linux counts them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _return_free_memory() -> None:
    """To the system; growth would hide in what malloc keeps for later (glibc)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


class _Record:
    """One contestant's numbers, in arrays that are written through at once: the record itself must not grow."""

    def __init__(self, steps: Steps, frames: int) -> None:
        self._steps = steps
        self._latencies = np.full(frames, np.nan)
        self._resident = np.full(frames, -1)
        self._stages: dict[str, np.ndarray] = {}
        self._own = 0  # bytes that its steps have added
        self._gpu_peak = 0

    def take_step(self, index: int) -> None:
        """The frame `index`; it counts from 0 on."""
        before = resident_memory()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        stages = next(self._steps)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        after = resident_memory()
        self._own += after - before
        if index == 0:
            self._own = after
            self._stages = {stage: np.full(len(self._latencies), np.nan) for stage in stages}
        if index < 0:
            return
        self._latencies[index] = seconds
        self._resident[index] = self._own
        self._gpu_peak = max(self._gpu_peak, torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)
        for stage, values in self._stages.items():
            values[index] = stages[stage]

    def measurement(self) -> Measurement:
        """Once all steps have been taken."""
        stages = {stage: float(np.median(values)) for stage, values in self._stages.items()}
        return Measurement(self._latencies, self._resident, self._gpu_peak, stages)
