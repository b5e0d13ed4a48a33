"""The state of a track: visible, occluded or lost, from the network's measurements; and the events about it.

The network's occlusion score says on every frame whether the object is in view. Two thresholds keep the state from
flickering, and a return has to be plausible before it is confirmed: what comes back may be another object.
All three durations act here: `lost_after` in `TrackStatus.update`, `occluded_after` in `TrackStatus.reported_state`,
`remove_after` in `TrackStatus.is_expired`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median

from .arguments import check_types
from .geometry import box_center, box_diagonal
from .measurement import Measurement
from .motion import Motion
from .types import Box, Event, EventKind, TrackState

# A plausible return
_MIN_IOU_RATIO = 0.5  # of the predicted IoU to its recent median
_MAX_AREA_RATIO = 4.0  # of the area to its recent median, either way; grows by as much with every second of absence
_MAX_SPEED = 1.0  # frame sides per second that an object may move out of sight, beyond its own size

_RECENT = 10  # confirmed measurements over which medians are taken


@dataclass(frozen=True)
class TrackStateConfig:
    """Presence is 0..1; durations are seconds of image time since the object was last seen. Raises ValueError."""

    vanish_below: float = 0.5  # a visible object becomes absent below this presence; the network itself uses 0.5
    appear_above: float = 0.6  # an absent object becomes visible from this presence on
    occluded_after: float = 0.2  # shorter absences emit no event
    lost_after: float = 1.0
    remove_after: float = 0.0  # 0: never
    return_frames: int = 3  # plausible frames in a row that confirm the return of a lost object; 0: every return counts

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
class _UnconfirmedReturn:
    """A measurement that may be the absent object, seen on `frames` frames in a row."""

    box: Box
    area: float
    stamp: float
    frames: int = 1


@dataclass(frozen=True)
class TrackStatus:
    """One object after a frame. Immutable, so that a correction can start again from an earlier status."""

    last_seen: float  # seconds
    state: TrackState = TrackState.VISIBLE
    box: Box | None = None  # last seen, in fractions of the frame
    areas: tuple[float, ...] = ()  # of the recent confirmed measurements
    predicted_ious: tuple[float, ...] = ()  # likewise
    unconfirmed: _UnconfirmedReturn | None = None
    motion: Motion | None = None  # None while the object is absent, and where motion is not tracked

    def update(
        self, measured: Measurement, stamp: float, config: TrackStateConfig, track_motion: bool = False
    ) -> TrackStatus:
        """The status after the next frame."""
        if self.state is TrackState.VISIBLE:
            if measured.box is not None and measured.presence >= config.vanish_below:
                return self._confirmed(measured, stamp, track_motion)
            return replace(self, state=TrackState.OCCLUDED, motion=None)
        unconfirmed = self._unconfirmed_return(measured, stamp, config)
        if unconfirmed is not None and unconfirmed.frames >= self._frames_to_confirm(config):
            return self._confirmed(measured, stamp, track_motion)
        is_lost = stamp - self.last_seen > config.lost_after
        return replace(self, state=TrackState.LOST if is_lost else self.state, unconfirmed=unconfirmed, motion=None)

    def update_from_prompt(self, measured: Measurement, stamp: float, track_motion: bool = False) -> TrackStatus:
        """The status after a prompt: the mask is the object; where it is empty, the object is absent."""
        if measured.box is not None:
            return self._confirmed(measured, stamp, track_motion)
        state = TrackState.OCCLUDED if self.state is TrackState.VISIBLE else self.state
        return replace(self, state=state, unconfirmed=None, motion=None)

    def reported_state(self, stamp: float, config: TrackStateConfig) -> TrackState:
        """The state that events report: a short occlusion is not reported."""
        if self.state is TrackState.OCCLUDED and stamp - self.last_seen <= config.occluded_after:
            return TrackState.VISIBLE
        return self.state

    def is_expired(self, stamp: float, config: TrackStateConfig) -> bool:
        """Whether the object has been lost for so long that it is to be removed."""
        return self.state is TrackState.LOST and stamp - self.last_seen > config.remove_after > 0

    def predicted_box(self, stamp: float) -> Box | None:
        """Where the motion model expects the object, in fractions of the frame; None where it cannot say."""
        return self.motion.predicted_box(stamp) if self.motion and self.motion.is_steady else None

    def _confirmed(self, measured: Measurement, stamp: float, track_motion: bool) -> TrackStatus:
        assert measured.box is not None
        motion = None
        if track_motion:
            motion = self.motion.update(measured.box, stamp) if self.motion else Motion.start(measured.box, stamp)
        return TrackStatus(
            last_seen=stamp,
            box=measured.box,
            areas=(*self.areas[1 - _RECENT :], measured.area),
            predicted_ious=(*self.predicted_ious[1 - _RECENT :], measured.predicted_iou),
            motion=motion,
        )

    def _unconfirmed_return(
        self, measured: Measurement, stamp: float, config: TrackStateConfig
    ) -> _UnconfirmedReturn | None:
        """What this frame contributes to the confirmation of a return."""
        if measured.box is None or measured.presence < config.appear_above:
            return None
        current = _UnconfirmedReturn(measured.box, measured.area, stamp)
        if not config.return_frames:
            return current
        if self.predicted_ious and measured.predicted_iou < _MIN_IOU_RATIO * median(self.predicted_ious):
            return None
        if self.box and not _is_reachable(self.box, median(self.areas), current, stamp - self.last_seen):
            return None
        previous = self.unconfirmed
        if previous and _is_reachable(previous.box, previous.area, current, stamp - previous.stamp):
            return replace(current, frames=previous.frames + 1)
        return current

    def _frames_to_confirm(self, config: TrackStateConfig) -> int:
        """Little can have changed during a short absence."""
        return config.return_frames if self.state is TrackState.LOST else 1


def _is_reachable(box: Box, area: float, other: _UnconfirmedReturn, seconds: float) -> bool:
    """Whether an object of this box and area can have become the other within that time."""
    ratio = _MAX_AREA_RATIO * (1 + seconds)
    distance = math.dist(box_center(box), box_center(other.box))
    return area / ratio <= other.area <= area * ratio and distance <= box_diagonal(box) + _MAX_SPEED * seconds


# ---- events

# From the last reported state to the current one. A lost object that is occluded has been visible in between.
_TRANSITIONS = {
    (TrackState.VISIBLE, TrackState.OCCLUDED): (EventKind.OCCLUDED,),
    (TrackState.VISIBLE, TrackState.LOST): (EventKind.OCCLUDED, EventKind.LOST),
    (TrackState.OCCLUDED, TrackState.LOST): (EventKind.LOST,),
    (TrackState.LOST, TrackState.OCCLUDED): (EventKind.REACQUIRED, EventKind.OCCLUDED),
    (TrackState.LOST, TrackState.VISIBLE): (EventKind.REACQUIRED,),
}


class EventEmitter:
    """Emits each change of one object's state once, also where frames are tracked again after a correction."""

    def __init__(self, track_id: int, stamp: float) -> None:
        self._track_id = track_id
        self._state = TrackState.VISIBLE
        self._last_seen = stamp

    def emit(self, status: TrackStatus, stamp: float, config: TrackStateConfig, reason: str = "") -> list[Event]:
        """The events that lead from the last reported state to that of the frame at `stamp` (seconds)."""
        state = status.reported_state(stamp, config)
        absence = {EventKind.REACQUIRED: status.last_seen - self._last_seen}
        events = [
            Event(kind, self._track_id, stamp, max(0.0, absence.get(kind, stamp - status.last_seen)), reason)
            for kind in _TRANSITIONS.get((self._state, state), ())
        ]
        self._state, self._last_seen = state, status.last_seen
        return events
