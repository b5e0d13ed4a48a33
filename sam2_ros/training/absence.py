"""How well a tracker tells that an object is lost, and that it is back.

An object is truly absent on a frame that is annotated without a pixel of it. An absence is a loss once it has lasted
for longer than `lost_after`; the loss is due on the first such frame, and the return on the first frame after it.

- `lost` is right if the object is truly absent, within TOLERANCE frames. It meets a loss if it is told between the
  frame on which that is due, less TOLERANCE, and the end of the absence.
- `reacquired` is right if the object is truly in view, and most of the mask lies on it. It meets a return if it is
  right, and told between the frame on which that is due, less TOLERANCE, and the next absence.

Precision is the share of what was told that is right, recall the share of what was due that was met, delay the frames
by which it was late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 2  # frames


@dataclass(frozen=True)
class Told:
    """Events of one kind: how many were told, how many of these were right, how many were due, delays of those met."""

    told: int = 0
    right: int = 0
    due: int = 0
    delays: tuple[int, ...] = ()

    def __add__(self, other: Told) -> Told:
        return Told(self.told + other.told, self.right + other.right, self.due + other.due, self.delays + other.delays)

    @property
    def precision(self) -> float | None:
        """None where nothing was told."""
        return self.right / self.told if self.told else None

    @property
    def recall(self) -> float | None:
        """None where nothing was due."""
        return len(self.delays) / self.due if self.due else None

    @property
    def delay(self) -> float | None:
        """Mean, in frames; None where nothing was met."""
        return float(np.mean(self.delays)) if self.delays else None


def score_lost(told: Sequence[int], seen: np.ndarray, patience: float) -> Told:
    """From the frames on which `lost` was told, and where the object is truly in view (T,) bool.

    `patience` is `lost_after` in frames.
    """
    right = [t for t in told if not seen[max(0, t - TOLERANCE) : t + TOLERANCE + 1].all()]
    losses = list(_losses(seen, patience))
    delays = [_delay(told, due, end) for due, end in losses]
    return Told(len(told), len(right), len(losses), tuple(delay for delay in delays if delay is not None))


def score_back(told: Sequence[int], seen: np.ndarray, patience: float, on_object: Sequence[bool]) -> Told:
    """Likewise for `reacquired`; `on_object` says where most of the mask lies on the object (T,)."""
    right = [t for t in told if seen[t] and on_object[t]]
    starts = [end for _, end in _losses(seen, patience) if end < len(seen)]
    delays = [_delay(right, start, start + _run(seen[start:])) for start in starts]
    return Told(len(told), len(right), len(starts), tuple(delay for delay in delays if delay is not None))


def _losses(seen: np.ndarray, patience: float) -> Iterator[tuple[int, int]]:
    """The frame on which each loss is due and the one on which its absence has ended."""
    start = 0
    while start < len(seen):
        length = _run(seen[start:] == seen[start])
        due = start + int(patience)  # the object was last seen on the frame before `start`
        if not seen[start] and due < start + length:
            yield due, start + length
        start += length


def _run(marks: np.ndarray) -> int:
    """How many are set before the first that is not."""
    return len(marks) if marks.all() else int(marks.argmin())


def _delay(told: Sequence[int], due: int, end: int) -> int | None:
    """Of the first that was told in time."""
    return next((max(0, t - due) for t in told if due - TOLERANCE <= t < end), None)
