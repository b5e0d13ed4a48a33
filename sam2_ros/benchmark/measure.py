"""Runs variants on the same frames, interleaved frame by frame, so that all run under the same load."""

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
from .agreement import Agreement, AgreementMeter
from .memory import MEGABYTE, MemoryGauge

_CPU = torch.device("cpu")


class Step(NamedTuple):
    """A variant's result for one frame."""

    logits: Tensor  # (N, 1, h, w) of the objects' masks
    stages: Callable[[], Mapping[str, float]] = dict  # seconds, once the device has finished the frame


Steps = Iterator[Step]  # each step takes one frame


@dataclass(frozen=True)
class VariantResult:
    """Time and memory of each frame after warm-up (N,)."""

    latencies: np.ndarray  # seconds
    memory: np.ndarray  # bytes in use after the frame, without those of other variants
    peak: int  # bytes of the whole process during a frame
    stages: dict[str, float]  # seconds, median
    agreement: Agreement | None = None  # with the baseline

    @property
    def speed(self) -> Speed:
        """Statistics of the latencies."""
        return speed_of(self.latencies)

    @property
    def worst(self) -> float:
        """Latency of the slowest frame, relative to the median."""
        return float(self.latencies.max() / np.median(self.latencies))

    @property
    def growth(self) -> float:
        """Growth of memory in use from the first to the last tenth of the frames, by their medians (MB)."""
        tenth = math.ceil(len(self.memory) / 10)
        return float(np.median(self.memory[-tenth:]) - np.median(self.memory[:tenth])) / MEGABYTE

    @property
    def slope(self) -> float:
        """Growth of memory in use per 1000 frames, by linear regression (MB)."""
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
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, VariantResult]:
    """Measure `frames` steps of each variant, after `warm_up` further steps.

    Masks are compared with those of the variant named `baseline`.
    """
    records = {name: _Record(steps, frames, device, clock) for name, steps in variants.items()}
    meters = {name: AgreementMeter() for name in records if baseline and name != baseline}
    for index in progress(range(-warm_up, frames)):
        if index == 0:
            gc.collect()  # so that no garbage from before is collected during a frame
        for record in records.values():
            record.take_step(index, starts=index == 0 or len(records) == 1)
        for name in meters if index >= 0 else ():
            meters[name].add(records[name].logits, records[baseline or name].logits)
    return {
        name: record.result(meters[name].agreement() if name in meters else None) for name, record in records.items()
    }


class _Record:
    """One variant's measurements, in arrays that are filled at the start: the record itself must not grow."""

    def __init__(self, steps: Steps, frames: int, device: torch.device, clock: Callable[[], float]) -> None:
        self._steps = steps
        self._device = device
        self._clock = clock
        self._gauge = MemoryGauge(device)
        self._latencies = np.full(frames, np.nan)
        self._memory = np.full(frames, -1)
        self._stages: dict[str, np.ndarray] = {}
        self._own = 0  # bytes
        self._peak = 0
        self.logits = torch.empty(0)  # of the newest frame

    def take_step(self, index: int, starts: bool) -> None:
        """Measure a step; those with a negative index are warm-up.

        With `starts`, memory is counted from all that is in use now; else only the step's own change is added.
        """
        self._gauge.restart_peak()
        before = self._gauge.in_use()
        if starts:
            self._own = before
        self._wait()
        start = self._clock()
        step = next(self._steps)
        self._wait()
        seconds = self._clock() - start
        self.logits = step.logits  # frees the previous ones, which are part of this variant's memory
        self._own += self._gauge.in_use() - before
        if index >= 0:
            self._latencies[index] = seconds
            self._memory[index] = self._own
            self._peak = max(self._peak, self._gauge.peak())
            for stage, spent in step.stages().items():
                self._stages.setdefault(stage, np.full(len(self._latencies), 0.0))[index] = spent

    def result(self, agreement: Agreement | None) -> VariantResult:
        """The result after all steps."""
        stages = {stage: float(np.median(values)) for stage, values in self._stages.items()}
        return VariantResult(self._latencies, self._memory, self._peak, stages, agreement)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
