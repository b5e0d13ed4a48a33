"""Detections without a track, matched from one array of detections to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..tracking.types import Box
from .assignment import assign
from .types import Detection

_MAX_MISSES = 3  # arrays in a row without its box, after which a pending detection is dropped
_MAX_GAP = 1.0  # seconds without its box, after which a pending detection is dropped
_MAX_PERIODS = 3.0  # the same for a slow detector, in times between its last two arrays
_MAX_SLOW_GAP = 10.0  # seconds, at most
_BACK_OFF = 30  # arrays until a pending detection that was backed off is confirmed again


@dataclass(frozen=True)
class PendingDetection:
    """A detected object that is not tracked."""

    newest: Detection
    first_seen: float  # stamps, seconds
    last_seen: float
    hits: int = 1  # arrays in which it was seen, minus `_BACK_OFF` after each back-off
    misses: int = 0  # arrays since

    def updated(self, detection: Detection, stamp: float) -> PendingDetection:
        """With one more box; a second one on the same image is no further hit."""
        hits = self.hits + (stamp > self.last_seen)
        return replace(self, newest=detection, last_seen=stamp, hits=hits, misses=0)


class PendingDetections:
    """At most `max_pending` pending detections."""

    def __init__(self, max_pending: int) -> None:
        self._max_pending = max_pending
        self._pending: list[PendingDetection] = []
        self._newest: float | None = None  # stamp of the newest array
        self._max_gap = _MAX_GAP  # seconds

    def update(self, boxes: Sequence[Detection], stamp: float) -> None:
        """Match the boxes of the next array with the pending detections; unmatched ones are new."""
        pending = [entry for entry in self._pending if stamp - entry.last_seen <= self._max_gap]
        if self._newest is not None:
            self._max_gap = min(longest_gap(stamp - self._newest), _MAX_SLOW_GAP)
        self._newest = stamp
        pairs = dict(assign(_proximity(pending, boxes), 0.0))
        kept = [
            entry.updated(boxes[pairs[i]], stamp) if i in pairs else replace(entry, misses=entry.misses + 1)
            for i, entry in enumerate(pending)
        ]
        new = [PendingDetection(box, stamp, stamp) for j, box in enumerate(boxes) if j not in pairs.values()]
        remaining = [entry for entry in (*kept, *new) if entry.misses < _MAX_MISSES]
        self._pending = sorted(remaining, key=lambda entry: (entry.misses, -entry.newest.score))[: self._max_pending]

    def confirmed(self, min_hits: int, stamp: float) -> list[PendingDetection]:
        """Those on the image of this stamp with at least `min_hits` hits, highest scores first."""
        return [entry for entry in self._pending if entry.last_seen == stamp and entry.hits >= min_hits]

    def has_rival(self, entry: PendingDetection) -> bool:
        """Whether another pending detection has the same class."""
        return any(other is not entry and other.newest.class_id == entry.newest.class_id for other in self._pending)

    def __len__(self) -> int:
        return len(self._pending)

    def drop(self, entry: PendingDetection) -> None:
        """Remove a pending detection, which is tracked now."""
        self._pending.remove(entry)

    def back_off(self, entry: PendingDetection) -> None:
        """Confirm a pending detection, which cannot be tracked now, again after `_BACK_OFF` arrays."""
        self._pending[self._pending.index(entry)] = replace(entry, hits=entry.hits - _BACK_OFF)

    def retry(self) -> None:
        """Count hits from 0 again after a back-off, whose reason may be gone."""
        self._pending = [replace(entry, hits=max(0, entry.hits)) for entry in self._pending]

    def clear(self) -> None:
        """Drops all of them."""
        self._pending.clear()
        self._newest, self._max_gap = None, _MAX_GAP


def longest_gap(period: float) -> float:
    """Seconds between two arrays of a detector that is not silent, given those between the two before."""
    return max(_MAX_GAP, _MAX_PERIODS * period)


def _proximity(pending: Sequence[PendingDetection], boxes: Sequence[Detection]) -> np.ndarray:
    """(N, M) proximity of pending detections and boxes of one class: 1 in the same place, 0 from one diagonal on.

    Not IoU: between two arrays of a slow detector, small objects move by more than their size.
    """
    a, b = (
        _centers_and_diagonals([entry.newest.box for entry in pending])[:, None],
        _centers_and_diagonals([box.box for box in boxes])[None],
    )
    distance = np.hypot(a[..., 0] - b[..., 0], a[..., 1] - b[..., 1])
    same = [[entry.newest.class_id == box.class_id for box in boxes] for entry in pending]
    proximity = 1 - distance / ((a[..., 2] + b[..., 2]) / 2)
    return np.where(np.array(same, bool).reshape(proximity.shape), proximity.clip(0), 0.0)


def _centers_and_diagonals(boxes: Sequence[Box]) -> np.ndarray:
    """(N, 3): center and diagonal"""
    edges = np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], float).reshape(-1, 4)
    center, extent = (edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]
    return np.column_stack((center, np.hypot(extent[:, 0], extent[:, 1])))
