"""Runs variants on the same frames, interleaved frame by frame, so that the machine's load is the same for all."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..tracking.speed import Speed, speed_of
from .agreement import Agreement, Agreements
from .memory import MEGABYTE, MemoryGauge

_CPU = torch.device("cpu")


class Step(NamedTuple):
    """A variant's result for one frame."""

    logits: Tensor  # (N, 1, h, w) of the objects' masks
    stages: Callable[[], Mapping[str, float]] = dict  # seconds, once the device has finished the frame


Steps = Iterator[Step]  # each step takes one frame


@dataclass(frozen=True)
class Measurement:
    """What each frame after warm-up took (N,)."""

    latencies: np.ndarray  # seconds
    memory: np.ndarray  # bytes held after the frame; what others take in between does not count
    peak: int  # bytes that the whole process took during a frame
    stages: dict[str, float]  # seconds, median
    agreement: Agreement | None = None  # with the baseline

    @property
    def speed(self) -> Speed:
        """Median and 99th percentile."""
        return speed_of(self.latencies)

    @property
    def worst(self) -> float:
        """The slowest frame, in medians."""
        return float(self.latencies.max() / np.median(self.latencies))

    @property
    def growth(self) -> float:
        """Megabytes from the first tenth of the frames to the last: what is allocated for a moment does not count."""
        tenth = math.ceil(len(self.memory) / 10)
        return float(np.median(self.memory[-tenth:]) - np.median(self.memory[:tenth])) / MEGABYTE

    @property
    def slope(self) -> float:
        """Megabytes per 1000 frames, by a straight line through all of them."""
        if len(self.memory) < 2:
            return 0.0
        return float(np.polyfit(np.arange(len(self.memory)), self.memory / MEGABYTE, 1)[0]) * 1000


def measure(
    variants: Mapping[str, Steps],
    frames: int,
    warm_up: int,
    device: torch.device = _CPU,
    baseline: str | None = None,
    progress: Callable[[range], Iterable[int]] = iter,
) -> dict[str, Measurement]:
    """Takes `frames` steps with each variant after `warm_up` steps that do not count.

    Masks are compared with those of the variant named `baseline`.
    """
    records = {name: _Record(steps, frames, device) for name, steps in variants.items()}
    agreements = {name: Agreements() for name in records if baseline and name != baseline}
    for index in progress(range(-warm_up, frames)):
        if index == 0:
            gc.collect()  # what others have left, so that it does not go during somebody's frame
        for record in records.values():
            record.take_step(index, starts=index == 0 or len(records) == 1)
        for name in agreements if index >= 0 else ():
            agreements[name].add(records[name].logits, records[baseline or name].logits)
    return {
        name: record.measurement(agreements[name].so_far() if name in agreements else None)
        for name, record in records.items()
    }


class _Record:
    """One variant's numbers, in arrays that are written through at once: the record itself must not grow."""

    def __init__(self, steps: Steps, frames: int, device: torch.device) -> None:
        self._steps = steps
        self._device = device
        self._gauge = MemoryGauge(device)
        self._latencies = np.full(frames, np.nan)
        self._memory = np.full(frames, -1)
        self._stages: dict[str, np.ndarray] = {}
        self._own = 0  # bytes
        self._peak = 0
        self.logits = torch.empty(0)  # of the newest frame

    def take_step(self, index: int, starts: bool) -> None:
        """The frame `index`; it counts from 0 on. `starts` from all that is held, else only its own steps add to it."""
        self._gauge.restart_peak()
        before = self._gauge.held()
        if starts:
            self._own = before
        self._wait()
        start = time.perf_counter()
        step = next(self._steps)
        self._wait()
        seconds = time.perf_counter() - start
        self.logits = step.logits  # those of the last frame go here, where they came from
        self._own += self._gauge.held() - before
        if index >= 0:
            self._latencies[index] = seconds
            self._memory[index] = self._own
            self._peak = max(self._peak, self._gauge.peak())
            for stage, spent in step.stages().items():
                self._stages.setdefault(stage, np.full(len(self._latencies), 0.0))[index] = spent

    def measurement(self, agreement: Agreement | None) -> Measurement:
        """Once all steps have been taken."""
        stages = {stage: float(np.median(values)) for stage, values in self._stages.items()}
        return Measurement(self._latencies, self._memory, self._peak, stages, agreement)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
