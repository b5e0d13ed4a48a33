"""Boxes of a detector that belong to no object yet, from one array of detections to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..tracking.types import Box
from .assignment import assign
from .types import Detection

_MISSES = 3  # arrays in a row without its box, after which a candidate is forgotten
_SILENCE = 1.0  # seconds without detections, after which all are
_BACK_OFF = 30  # arrays before a candidate is tried again


@dataclass(frozen=True)
class Candidate:
    """Something that was detected and is not followed."""

    newest: Detection
    first_seen: float  # stamps, seconds
    last_seen: float
    hits: int = 1  # arrays in which it was seen; fewer after it was refused
    misses: int = 0  # arrays since

    def seen(self, detection: Detection, stamp: float) -> Candidate:
        """With one more box; a second one on the same image proves nothing."""
        hits = self.hits + (stamp > self.last_seen)
        return replace(self, newest=detection, last_seen=stamp, hits=hits, misses=0)


class Candidates:
    """At most `bound` of them."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._known: list[Candidate] = []

    def update(self, boxes: Sequence[Detection], stamp: float) -> None:
        """Takes the boxes of the next array, each the continuation of a candidate or a new one."""
        known = [candidate for candidate in self._known if stamp - candidate.last_seen <= _SILENCE]
        pairs = dict(assign(_closeness(known, boxes), 0.0))
        kept = [
            candidate.seen(boxes[pairs[i]], stamp) if i in pairs else replace(candidate, misses=candidate.misses + 1)
            for i, candidate in enumerate(known)
        ]
        fresh = [Candidate(box, stamp, stamp) for j, box in enumerate(boxes) if j not in pairs.values()]
        ours = [candidate for candidate in (*kept, *fresh) if candidate.misses < _MISSES]
        self._known = sorted(ours, key=lambda candidate: (candidate.misses, -candidate.newest.score))[: self._bound]

    def ripe(self, hits: int, stamp: float) -> list[Candidate]:
        """Those that are on the image of this stamp and were seen often enough, the best first."""
        return [candidate for candidate in self._known if candidate.last_seen == stamp and candidate.hits >= hits]

    def has_rival(self, candidate: Candidate) -> bool:
        """Whether there is another candidate of its class."""
        return any(c is not candidate and c.newest.kind == candidate.newest.kind for c in self._known)

    def __len__(self) -> int:
        return len(self._known)

    def drop(self, candidate: Candidate) -> None:
        """It is followed now."""
        self._known.remove(candidate)

    def put_off(self, candidate: Candidate) -> None:
        """It could not be followed, and is not tried again soon."""
        self._known[self._known.index(candidate)] = replace(candidate, hits=candidate.hits - _BACK_OFF)

    def try_again(self) -> None:
        """Those that were put off count as unseen, because what stood in their way may be gone."""
        self._known = [replace(candidate, hits=max(0, candidate.hits)) for candidate in self._known]

    def clear(self) -> None:
        """Drops all of them."""
        self._known.clear()


def _closeness(known: Sequence[Candidate], boxes: Sequence[Detection]) -> np.ndarray:
    """(N, M) of how near candidates and boxes of one class are, 1 on the same place, 0 from one diagonal on.

    Distance instead of overlap, for small objects move by more than their size between the arrays of a slow detector.
    """
    one, two = _shapes([candidate.newest.box for candidate in known])[:, None], _shapes([b.box for b in boxes])[None]
    distance = np.hypot(one[..., 0] - two[..., 0], one[..., 1] - two[..., 1])
    same = [[candidate.newest.kind == box.kind for box in boxes] for candidate in known]
    close = 1 - distance / ((one[..., 2] + two[..., 2]) / 2)
    return np.where(np.array(same, bool).reshape(close.shape), close.clip(0), 0.0)


def _shapes(boxes: Sequence[Box]) -> np.ndarray:
    """(N, 3): centre and diagonal"""
    edges = np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes], float).reshape(-1, 4)
    centre, extent = (edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]
    return np.column_stack((centre, np.hypot(extent[:, 0], extent[:, 1])))
