"""Whether an object is in view, occluded or lost, and what of it is told.

The network says on every frame how sure it is that the object is in view. Two thresholds keep that from flickering,
and a return has to be plausible before it is believed: what comes back may be something else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from statistics import median

from .arguments import check_types
from .observation import Observation
from .types import Box, Event, EventKind, TrackState

# Of a plausible return
_LEAST_SURE = 0.5  # share of the usual predicted IoU
_AREA_FACTOR = 4.0  # by which the area may differ from the usual one; grows by as much in every second of absence
_SPEED = 1.0  # picture sides per second that an object may move out of sight, beyond its own size

_RECENT = 10  # sightings whose medians are what is usual


@dataclass(frozen=True)
class PresenceRules:
    """Presence is 0..1; durations are seconds of image time since the object was last seen."""

    vanish_below: float = 0.5  # an object in view is absent below this presence; the network itself says 0.5
    appear_above: float = 0.6  # an absent one is in view from this presence on
    occluded_after: float = 0.2  # shorter absences are not told
    lost_after: float = 1.0
    remove_after: float = 0.0  # 0: never
    return_frames: int = 3  # plausible frames in a row that bring a lost object back; 0: every return is believed

    def __post_init__(self) -> None:
        check_types(self)
        if not 0.5 <= self.vanish_below <= self.appear_above <= 1:
            raise ValueError(
                f"vanish_below is {self.vanish_below:g} and appear_above {self.appear_above:g}, "
                "expected 0.5 <= vanish_below <= appear_above <= 1"
            )
        if not 0 <= self.occluded_after <= self.lost_after:
            raise ValueError(
                f"occluded_after is {self.occluded_after:g} s and lost_after {self.lost_after:g} s, "
                "expected 0 <= occluded_after <= lost_after"
            )
        if self.remove_after and self.remove_after < self.lost_after:
            raise ValueError(
                f"remove_after is {self.remove_after:g} s and lost_after {self.lost_after:g} s, "
                "expected 0 (never) or remove_after >= lost_after"
            )
        if self.return_frames < 0:
            raise ValueError(f"return_frames is {self.return_frames}, expected at least 0")


@dataclass(frozen=True)
class _Return:
    """Something that may be the object, on a row of frames."""

    box: Box
    area: float
    stamp: float
    frames: int


@dataclass(frozen=True)
class Presence:
    """One object after a frame; its mask is to be shown only where it is VISIBLE."""

    last_seen: float  # seconds
    state: TrackState = TrackState.VISIBLE
    box: Box | None = None  # where it was last seen, in shares of the picture
    areas: tuple[float, ...] = ()  # of the newest sightings
    ious: tuple[float, ...] = ()  # predicted, likewise
    doubted: _Return | None = None

    def after(self, seen: Observation, stamp: float, rules: PresenceRules) -> Presence:
        """With one more frame."""
        if self.state is TrackState.VISIBLE:
            if seen.box is not None and seen.presence >= rules.vanish_below:
                return self._sighted(seen, stamp)
            return replace(self, state=TrackState.OCCLUDED)
        doubted = self._weigh(seen, stamp, rules)
        if doubted is not None and doubted.frames >= self._proof(rules):
            return self._sighted(seen, stamp)
        is_lost = stamp - self.last_seen > rules.lost_after
        return replace(self, state=TrackState.LOST if is_lost else self.state, doubted=doubted)

    def prompted(self, seen: Observation, stamp: float) -> Presence:
        """What the network finds by a prompt is the object; where it finds nothing, the object is not there."""
        if seen.box is not None:
            return self._sighted(seen, stamp)
        state = TrackState.OCCLUDED if self.state is TrackState.VISIBLE else self.state
        return replace(self, state=state, doubted=None)

    def _sighted(self, seen: Observation, stamp: float) -> Presence:
        areas = (*self.areas[1 - _RECENT :], seen.area)
        ious = (*self.ious[1 - _RECENT :], seen.predicted_iou)
        return Presence(stamp, TrackState.VISIBLE, seen.box, areas, ious)

    def _weigh(self, seen: Observation, stamp: float, rules: PresenceRules) -> _Return | None:
        """What this frame makes of a possible return."""
        if seen.box is None or seen.presence < rules.appear_above:
            return None
        fresh = _Return(seen.box, seen.area, stamp, 1)
        if not rules.return_frames:
            return fresh
        if self.ious and seen.predicted_iou < _LEAST_SURE * median(self.ious):
            return None
        if self.box and not _is_near(self.box, median(self.areas), fresh, stamp - self.last_seen):
            return None
        before = self.doubted
        if before and _is_near(before.box, before.area, fresh, stamp - before.stamp):
            return replace(fresh, frames=before.frames + 1)
        return fresh

    def _proof(self, rules: PresenceRules) -> int:
        """Frames that it takes to believe a return; little can have changed during a short absence."""
        return rules.return_frames if self.state is TrackState.LOST else 1


def _is_near(box: Box, area: float, other: _Return, seconds: float) -> bool:
    """Whether an object of this box and area can have become the other in that time."""
    factor = _AREA_FACTOR * (1 + seconds)
    distance = math.dist(_centre(box), _centre(other.box))
    return area / factor <= other.area <= area * factor and distance <= _size(box) + _SPEED * seconds


def _centre(box: Box) -> tuple[float, float]:
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2


def _size(box: Box) -> float:
    return math.hypot(box.x1 - box.x0, box.y1 - box.y0)


# ---- what is told

# From what was told last to what is so now. An object that was lost has been back in between.
_NEWS = {
    (TrackState.VISIBLE, TrackState.OCCLUDED): (EventKind.OCCLUDED,),
    (TrackState.VISIBLE, TrackState.LOST): (EventKind.OCCLUDED, EventKind.LOST),
    (TrackState.OCCLUDED, TrackState.LOST): (EventKind.LOST,),
    (TrackState.LOST, TrackState.OCCLUDED): (EventKind.REACQUIRED, EventKind.OCCLUDED),
    (TrackState.LOST, TrackState.VISIBLE): (EventKind.REACQUIRED,),
}


@dataclass
class Herald:
    """Tells what has changed since it was last asked, so that frames which are tracked anew tell nothing twice."""

    track_id: int
    last_seen: float  # seconds
    state: TrackState = field(default=TrackState.VISIBLE, init=False)

    def news(self, presence: Presence, stamp: float, rules: PresenceRules, reason: str = "") -> list[Event]:
        """The events that lead from what was told to what is so on the frame of that stamp."""
        state = presence.state
        if state is TrackState.OCCLUDED and stamp - presence.last_seen <= rules.occluded_after:
            state = TrackState.VISIBLE
        kinds = _NEWS.get((self.state, state), ())
        away = {EventKind.REACQUIRED: presence.last_seen - self.last_seen}
        events = [
            Event(kind, self.track_id, stamp, max(0.0, away.get(kind, stamp - presence.last_seen)), reason)
            for kind in kinds
        ]
        self.state, self.last_seen = state, presence.last_seen
        return events
