"""Stand-ins for the capture of CUDA graphs, and a stream that is tracked with and without graphs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch.fx.experimental.proxy_tensor import make_fx

from sam2_ros.model import Network
from sam2_ros.tracking import Box, Click, Prompt, StreamingTracker, Track, TrackerConfig, propagation
from sam2_ros.tracking.graphed_step import GraphedStep

Run = Callable[[], None]
BOX, CLICK = Prompt(box=Box(5, 10, 25, 30)), Prompt(clicks=[Click(20, 20)])


class Repetition:
    """Calls the function again at each replay: it reads and writes the same buffers, as a graph does."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, run: Run) -> Run:
        self.captures += 1

        def replay() -> None:
            self.replays += 1
            run()

        return replay


class Recording(Repetition):
    """Records the operations on tensors, and repeats these alone: none of the function's Python runs again."""

    def __call__(self, run: Run) -> Run:
        recorded = make_fx(lambda: run())()
        return super().__call__(recorded)


def graphed(model: Network, config: TrackerConfig, capture: Callable[[Run], Run]) -> StreamingTracker:
    """A tracker with graphs, whatever the device."""

    def frame_step(*arguments: Any) -> GraphedStep:
        model, bank, config, time = arguments
        return GraphedStep(model, bank, config, time, capture)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(propagation, "frame_step", frame_step)
        return StreamingTracker(model, config)


def picture(number: int) -> np.ndarray:
    """(48, 64, 3) uint8: a square that moves over noise."""
    rgb = np.random.default_rng(number).integers(100, 130, (48, 64, 3), np.uint8)
    rgb[10:30, 5 + number : 25 + number] = (220, 40, 40)
    return rgb


def tracked(tracker: StreamingTracker, frames: int = 26) -> list[tuple[Track, ...]]:
    """Objects that start, are corrected on late frames, and end; what was tracked on each frame."""
    results = []
    for number in range(frames):
        results.append(tracker.step(picture(number), number / 10).tracks)
        if number in (0, 3, 5):
            tracker.add(CLICK if number == 3 else Prompt(box=Box(5 + number, 10, 25 + number, 30)))
        if number in (8, 14):
            tracker.refine(min(tracker.labels), Prompt(clicks=[Click(15 + number, 20)]), (number - 3) / 10)
        if number == 20:
            tracker.remove(max(tracker.labels))
    return results


def assert_same(found: list[tuple[Track, ...]], expected: list[tuple[Track, ...]]) -> None:
    """Padding changes the order of additions, so the last digits differ."""
    for ours, theirs in zip(found, expected, strict=True):
        for track, other in zip(ours, theirs, strict=True):
            assert (track.id, track.state) == (other.id, other.state)
            assert track.presence == pytest.approx(other.presence, abs=1e-4)
            assert track.predicted_iou == pytest.approx(other.predicted_iou, abs=1e-4)
            assert np.count_nonzero(track.mask ^ other.mask) <= 2
