"""Searches the frames of a recording for words, with the tracker that follows what is found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam2_ros.detection.types import Detection, DetectionConfig
from sam2_ros.tracking.types import Track, TrackState

from .detector import DetectorConfig, TextDetector
from .schedule import SearchRates, SearchSchedule, found_by

# The detector has a threshold of its own, and is slow: its second box confirms the first.
WORD_DETECTIONS = DetectionConfig(min_score=0.0, min_hits=2)


class FrameSearch:
    """Decides which frames are searched, as the node does. Raises WordsError for words that the model cannot read."""

    def __init__(
        self, detector: TextDetector, phrases: Sequence[str], config: DetectorConfig, rates: SearchRates
    ) -> None:
        self._detector = detector
        self._query = detector.query(phrases)
        self._config = config
        self._rates = rates
        self._schedule = SearchSchedule()

    def detect(self, rgb: np.ndarray, stamp: float, tracks: Sequence[Track]) -> list[Detection] | None:
        """What is found on the frame (H, W, 3) uint8 of this stamp (seconds) with these tracks; None: not searched."""
        labels = {track.id: track.label for track in tracks if track.state is TrackState.LOST}
        lost = found_by(self._query.phrases, labels)
        if not self._schedule.is_due(stamp, lost, self._rates):
            return None
        self._schedule.note(stamp, lost)
        return self._detector.detect(rgb, self._query, self._config)
