"""Searches the frames of a recording for words, with the tracker that follows what is found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam2_ros.detection.types import Detection
from sam2_ros.tracking.types import FrameResult, TrackState

from .detector import DetectorConfig, TextDetector
from .schedule import SearchRates, SearchSchedule, found_by


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

    def detect(self, rgb: np.ndarray, result: FrameResult) -> list[Detection] | None:
        """What is found on a frame (H, W, 3) uint8 with these tracks; None where it is not searched."""
        labels = {track.id: track.label for track in result.tracks if track.state is TrackState.LOST}
        lost = found_by(self._query.phrases, labels)
        if not self._schedule.is_due(result.stamp, lost, self._rates):
            return None
        self._schedule.note(result.stamp, lost)
        return self._detector.detect(rgb, self._query, self._config)
