"""Precision, recall and delay of the events `lost` and `reacquired`.

An object is truly absent on a frame that is annotated without a pixel of it. An absence is a loss once it has lasted
longer than `lost_after`; `lost` is expected on the first such frame, `reacquired` on the first frame after the absence.

- A reported `lost` is correct if the object is truly absent, within TOLERANCE frames. It matches a loss if it is
  reported between the expected frame, less TOLERANCE, and the end of the absence.
- A reported `reacquired` is correct if the object is truly visible and most of the mask lies on it. It matches a return
  if it is correct, and reported between the expected frame, less TOLERANCE, and the next absence.

Precision is the share of correct events among those reported, recall the share of matched ones among those expected,
delay the frames from the expected frame to the reported one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 2  # frames


@dataclass(frozen=True)
class EventScore:
    """Events of one kind: counts of the reported, the correct and the expected ones, and the delays of matched ones."""

    reported: int = 0
    correct: int = 0
    expected: int = 0
    delays: tuple[int, ...] = ()

    def __add__(self, other: EventScore) -> EventScore:
        return EventScore(
            self.reported + other.reported,
            self.correct + other.correct,
            self.expected + other.expected,
            self.delays + other.delays,
        )

    @property
    def precision(self) -> float | None:
        """None if nothing was reported."""
        return self.correct / self.reported if self.reported else None

    @property
    def recall(self) -> float | None:
        """None if nothing was expected."""
        return len(self.delays) / self.expected if self.expected else None

    @property
    def delay(self) -> float | None:
        """Mean, in frames; None if nothing was matched."""
        return float(np.mean(self.delays)) if self.delays else None


def score_lost(reported: Sequence[int], visible: np.ndarray, lost_after: float) -> EventScore:
    """Score the frames on which `lost` was reported against where the object is truly visible, (T,) bool.

    `lost_after` is in frames.
    """
    correct = [t for t in reported if not visible[max(0, t - TOLERANCE) : t + TOLERANCE + 1].all()]
    losses = list(_losses(visible, lost_after))
    delays = [_delay(reported, expected, end) for expected, end in losses]
    return EventScore(len(reported), len(correct), len(losses), tuple(delay for delay in delays if delay is not None))


def score_reacquired(
    reported: Sequence[int], visible: np.ndarray, lost_after: float, on_object: Sequence[bool]
) -> EventScore:
    """Likewise for `reacquired`; `on_object` (T,): most of the mask lies on the object."""
    correct = [t for t in reported if visible[t] and on_object[t]]
    starts = [end for _, end in _losses(visible, lost_after) if end < len(visible)]
    delays = [_delay(correct, start, start + _run(visible[start:])) for start in starts]
    return EventScore(len(reported), len(correct), len(starts), tuple(delay for delay in delays if delay is not None))


def _losses(visible: np.ndarray, lost_after: float) -> Iterator[tuple[int, int]]:
    """The expected frame of each loss, and the first frame after its absence."""
    start = 0
    while start < len(visible):
        length = _run(visible[start:] == visible[start])
        expected = start + int(lost_after)  # the object was last visible on the frame before `start`
        if not visible[start] and expected < start + length:
            yield expected, start + length
        start += length


def _run(marks: np.ndarray) -> int:
    """Length of the leading run of true values."""
    return len(marks) if marks.all() else int(marks.argmin())


def _delay(reported: Sequence[int], expected: int, end: int) -> int | None:
    """The delay of the first event that matches; None if none does."""
    return next((max(0, t - expected) for t in reported if expected - TOLERANCE <= t < end), None)
