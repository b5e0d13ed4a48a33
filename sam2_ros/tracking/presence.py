"""Whether an object is in view, occluded or lost, from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

from .types import Event, EventKind, TrackState


@dataclass
class PresenceMonitor:
    """Follows one object. Durations are measured between image stamps (seconds)."""

    track_id: int
    lost_after: float
    last_seen: float
    state: TrackState = TrackState.VISIBLE

    def update(self, visible: bool, stamp: float) -> Event | None:
        """Take note of a frame; the event, if the state has changed in a way worth telling."""
        before = self.state
        absence = max(0.0, stamp - self.last_seen)
        if visible:
            self.state = TrackState.VISIBLE
            self.last_seen = max(self.last_seen, stamp)
            return self._event(EventKind.REACQUIRED, stamp, absence) if before is TrackState.LOST else None
        if before is TrackState.VISIBLE:
            self.state = TrackState.OCCLUDED
            return self._event(EventKind.OCCLUDED, stamp, absence)
        if before is TrackState.OCCLUDED and absence > self.lost_after:
            self.state = TrackState.LOST
            return self._event(EventKind.LOST, stamp, absence)
        return None

    def change_since(self, earlier: PresenceMonitor, stamp: float) -> Event | None:
        """The event that brings those up to date who know the `earlier` state of the object."""
        if self.state is earlier.state or (self.state, earlier.state) == (TrackState.VISIBLE, TrackState.OCCLUDED):
            return None
        kind = {TrackState.VISIBLE: EventKind.REACQUIRED, TrackState.OCCLUDED: EventKind.OCCLUDED}.get(self.state)
        absence = stamp - (earlier if self.state is TrackState.VISIBLE else self).last_seen
        return self._event(kind or EventKind.LOST, stamp, max(0.0, absence))

    def _event(self, kind: EventKind, stamp: float, absence: float) -> Event:
        return Event(kind, self.track_id, stamp, absence)
