"""The thread that loads the detector and searches images with it; the newest image wins."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sam2_ros.detection.types import Detection
from sam2_ros.media.ros_encodings import ImageError
from sam2_ros.media.ros_images import ImageConverter
from sam2_ros.text.detector import DetectorConfig, TextDetector
from sam2_ros.text.families import Query
from sam2_ros.text.words import WordsError


@dataclass(frozen=True)
class Search:
    """An image to be searched."""

    message: Any  # sensor_msgs/Image or CompressedImage
    config: DetectorConfig


@dataclass
class SearchCounts:
    """For the diagnostics; written by the worker, except `replaced`."""

    searched: int = 0
    replaced: int = 0  # images that were due, but gave way to a newer one
    boxes: int = 0
    failures: int = 0
    seconds: float = 0.0  # of the newest search
    error: str = ""  # of the newest search, or why there is no detector


@dataclass(frozen=True)
class Callbacks:
    """Called on the worker's thread."""

    on_loaded: Callable[[TextDetector], None]
    on_failure: Callable[[str], None]  # the detector cannot be loaded: the worker ends
    on_detections: Callable[[Any, Sequence[Detection]], None]  # the image's message, and what was found on it
    on_warning: Callable[[str], None]


class SearchWorker:
    """Runs from construction to `close`."""

    def __init__(self, load: Callable[[], TextDetector], callbacks: Callbacks) -> None:
        """`load` raises ValueError with what the user has to do."""
        self._load = load
        self._callbacks = callbacks
        self.counts = SearchCounts()
        self._condition = threading.Condition()  # guards the attributes that follow
        self._detector: TextDetector | None = None
        self._phrases: tuple[str, ...] = ()
        self._query: Query | None = None  # of the phrases, once the detector is loaded
        self._waiting: Search | None = None
        self._is_closed = False
        self._converter = ImageConverter(warn=callbacks.on_warning)
        self._thread = threading.Thread(target=self._work, name="text detector", daemon=True)
        self._thread.start()

    def set_phrases(self, phrases: tuple[str, ...]) -> None:
        """Search for these from the next image on. Raises WordsError, which changes nothing."""
        with self._condition:
            if self._detector is not None:  # else the worker reads them when it has loaded it
                self._query = self._detector.query(phrases) if phrases else None
            self._phrases = phrases
            self._waiting = None

    def put(self, search: Search) -> None:
        """Search this image next, in place of one that still waits; never blocks."""
        with self._condition:
            self.counts.replaced += self._waiting is not None
            self._waiting = search
            self._condition.notify()

    @property
    def phrases(self) -> tuple[str, ...]:
        """What is searched for."""
        with self._condition:
            return self._phrases

    @property
    def is_ready(self) -> bool:
        """Whether the detector is loaded, and there are phrases."""
        with self._condition:
            return self._query is not None

    def close(self, timeout: float) -> None:
        """Wait for the search that runs, for `timeout` seconds at most."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        self._thread.join(timeout)

    def _work(self) -> None:
        try:
            detector = self._load()
        except (ValueError, torch.cuda.OutOfMemoryError) as error:
            self.counts.error = str(error)
            self._callbacks.on_failure(str(error))
            return
        except Exception:
            self.counts.error = traceback.format_exc()
            self._callbacks.on_failure(self.counts.error)
            return
        self._start(detector)
        self._callbacks.on_loaded(detector)
        while (next_search := self._next()) is not None:
            self._search(detector, *next_search)

    def _start(self, detector: TextDetector) -> None:
        with self._condition:
            self._detector = detector
            try:
                self._query = detector.query(self._phrases) if self._phrases else None
            except WordsError as error:
                self._phrases = ()
                self._callbacks.on_warning(f"nothing is searched for: {error}")

    def _next(self) -> tuple[Search, Query] | None:
        """The newest image and the phrases; waits for them. None once closed."""
        with self._condition:
            while not self._is_closed:
                if self._waiting is not None and self._query is not None:
                    search, self._waiting = self._waiting, None
                    return search, self._query
                self._waiting = None
                self._condition.wait()
            return None

    def _search(self, detector: TextDetector, search: Search, query: Query) -> None:
        started = time.perf_counter()
        try:
            detections = detector.detect(self._converter.to_rgb(search.message), query, search.config)
        except ImageError as error:
            self._fail(f"cannot read an image: {error}")
        except Exception as error:  # such as a GPU without memory: the next image may succeed
            self._fail(f"cannot search an image: {' '.join(str(error).split())}")
        else:
            self.counts.seconds = time.perf_counter() - started
            self.counts.searched += 1
            self.counts.boxes += len(detections)
            self.counts.error = ""
            with self._condition:
                is_current = query is self._query
            if is_current:  # else the boxes are of words that are not wanted any more
                self._callbacks.on_detections(search.message, detections)

    def _fail(self, error: str) -> None:
        self.counts.failures += 1
        self.counts.error = error
        self._callbacks.on_warning(error)
