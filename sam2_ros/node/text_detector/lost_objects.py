"""Which objects the tracker has lost, from its topic of tracks."""

from __future__ import annotations

import time
from collections.abc import Collection

from rclpy.node import Node

from sam2_ros.msg import Track, TrackArray
from sam2_ros.node import qos
from sam2_ros.text.schedule import found_by

_EXPIRY = 3.0  # seconds; a tracker that is silent for longer has ended or is paused


class LostObjects:
    """Subscribed to the tracks of the tracker in the same namespace, `sam2_tracker/tracks`."""

    def __init__(self, node: Node) -> None:
        self._labels: dict[int, str] = {}  # of the lost objects
        self._received = 0.0  # on the steady clock, seconds
        self.subscription = node.create_subscription(
            TrackArray, "sam2_tracker/tracks", self._on_tracks, qos.profile("best_effort", 1)
        )

    def named(self, phrases: Collection[str]) -> frozenset[int]:
        """The ids of the lost objects that have one of these phrases as their label."""
        if time.monotonic() - self._received > _EXPIRY:
            self._labels.clear()
        return found_by(phrases, self._labels)

    def _on_tracks(self, message: TrackArray) -> None:
        self._received = time.monotonic()
        self._labels = {track.id: track.label for track in message.tracks if track.state == Track.LOST}
