"""What is believed of an object after a frame: immutable, so that an earlier belief can be gone back to."""

from __future__ import annotations

from dataclasses import dataclass

from .motion import Motion
from .observation import Observation
from .presence import Presence, PresenceRules
from .types import Box, TrackState


@dataclass(frozen=True)
class Belief:
    """Whether the object is in view, and how it moves."""

    presence: Presence
    motion: Motion | None = None  # None while it is out of view, and where nobody asks

    def after(self, seen: Observation, stamp: float, rules: PresenceRules, follow_motion: bool) -> Belief:
        """With one more frame."""
        presence = self.presence.after(seen, stamp, rules)
        return Belief(presence, self._moved(presence, seen, stamp) if follow_motion else None)

    def prompted(self, seen: Observation, stamp: float, follow_motion: bool) -> Belief:
        """With what the network makes of a prompt."""
        presence = self.presence.prompted(seen, stamp)
        return Belief(presence, self._moved(presence, seen, stamp) if follow_motion else None)

    def expected(self, stamp: float) -> Box | None:
        """Where the object should be by now, None where one cannot say."""
        return self.motion.expected(stamp) if self.motion and self.motion.is_steady else None

    def _moved(self, presence: Presence, seen: Observation, stamp: float) -> Motion | None:
        if presence.state is not TrackState.VISIBLE or seen.box is None:
            return None
        return self.motion.after(seen.box, stamp) if self.motion else Motion.start(seen.box, stamp)
