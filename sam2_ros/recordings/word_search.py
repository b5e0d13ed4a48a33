"""Detections that an open-vocabulary detector finds on the frames of a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sam2_ros.detection.types import Detection
from sam2_ros.text.detector import DetectorConfig, TextDetector
from sam2_ros.text.frame_search import FrameSearch
from sam2_ros.text.loading import load_text_detector
from sam2_ros.text.schedule import SearchRates
from sam2_ros.tracking import FrameResult
from sam2_ros.tracking.device import choose_device

from .streams import Frame


@dataclass(frozen=True)
class WordSearch:
    """Which words are searched for, and how. A worker of a cluster receives it and loads the model itself."""

    words: tuple[str, ...]
    model: str  # a name or a folder
    threshold: float  # 0: by the model
    rate: float  # frames per second of the recording
    device: str

    def open(self) -> SearchedDetections:
        """Raises ValueError where the model cannot be loaded, or cannot read the words."""
        detector = _detector(self.model, self.device)
        config = DetectorConfig(threshold=self.threshold)
        return SearchedDetections(FrameSearch(detector, self.words, config, SearchRates(rate=self.rate)))


@lru_cache(maxsize=1)  # for the recordings and cameras of one call
def _detector(model: str, device: str) -> TextDetector:
    return load_text_detector(model, choose_device(device))


class SearchedDetections:
    """What words find on the frames of a recording."""

    def __init__(self, search: FrameSearch) -> None:
        self._search = search

    def on(self, frame: Frame, result: FrameResult) -> Iterator[Sequence[Detection]]:
        """The array for a frame with these tracks; none where it is not searched."""
        found = self._search.detect(frame.rgb, frame.seconds, result.tracks)
        if found is not None:
            yield found

    def finish(self) -> None:
        """Nothing is left over."""
