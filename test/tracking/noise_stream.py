"""A stream of noise and helpers for tests of the tracker."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from sam2_ros.tracking import Box, Click, FrameResult, Prompt, StreamingTracker, TrackerConfig, TrackStateConfig

SIZE = (48, 64)
PERIOD = 0.1  # seconds between frames


def frames(count: int, start: int = 0, size: tuple[int, int] = SIZE) -> Iterator[tuple[np.ndarray, float]]:
    """Noise that differs from frame to frame, with stamps."""
    for i in range(start, start + count):
        yield np.random.default_rng(i).integers(0, 256, (*size, 3), np.uint8), i * PERIOD


def run(tracker: StreamingTracker, count: int, start: int = 0) -> FrameResult:
    for rgb, stamp in frames(count, start):
        result = tracker.step(rgb, stamp)
    return result


def logits_of(tracker: StreamingTracker, track_id: int) -> torch.Tensor:
    return tracker._frames.at(None).outputs[track_id].mask_logits


def absences(**rules: Any) -> TrackerConfig:
    return TrackerConfig(track_state=TrackStateConfig(**rules))


def square() -> Prompt:
    mask = np.zeros(SIZE, bool)
    mask[10:30, 10:30] = True
    return Prompt(mask=mask)


SQUARE = square()
CLICK = Prompt([Click(30, 20)])
OTHER = Prompt(box=Box(5, 5, 40, 30))
