"""Joins an image, its tracks and its label image, which come apart, into one view."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Generic, TypeVar

import numpy as np

from sam2_ros.panel.types import ShownTrack, Stamp

_MAX_BYTES = 128 * 2**20  # of images that wait for their tracks
_LATE = 1.0  # seconds without results, or three times the time between the last two: then images are shown as they come

Image = TypeVar("Image")


class Pairing(Generic[Image]):
    """The newest results with the image of their stamp. Not thread-safe; bounded in memory."""

    def __init__(self) -> None:
        self._images: OrderedDict[Stamp, tuple[Image, int]] = OrderedDict()  # with their bytes, oldest first
        self._bytes = 0
        self._tracks: tuple[Stamp, tuple[ShownTrack, ...]] | None = None
        self._labels: tuple[Stamp, np.ndarray] | None = None
        self._completed_at = float("-inf")  # when the newest results were complete, seconds on the steady clock
        self._interval = 0.0  # seconds between the last two

    def put_image(self, stamp: Stamp, image: Image, size: int) -> None:
        """Keep an image of `size` bytes for its results; the oldest ones give way."""
        if stamp in self._images:
            return
        self._images[stamp] = image, size
        self._bytes += size
        while self._bytes > _MAX_BYTES and len(self._images) > 1:
            self._bytes -= self._images.popitem(last=False)[1][1]

    def put_tracks(self, stamp: Stamp, tracks: tuple[ShownTrack, ...]) -> None:
        """The newest tracks."""
        self._tracks = stamp, tracks

    def put_labels(self, stamp: Stamp, labels: np.ndarray) -> None:
        """The newest label image (H, W) uint8."""
        self._labels = stamp, labels

    def complete(self) -> tuple[Stamp, tuple[ShownTrack, ...], np.ndarray, Image | None] | None:
        """The newest stamp, tracks, labels and their image (None: it was not received), once these belong together."""
        if self._tracks is None or self._labels is None or self._tracks[0] != self._labels[0]:
            return None
        stamp = self._tracks[0]
        now = time.monotonic()
        self._interval, self._completed_at = now - self._completed_at, now
        entry = self._images.get(stamp)
        if entry is not None:  # older ones, by arrival, are not needed any more; this one may get other results
            while next(iter(self._images)) != stamp:
                self._bytes -= self._images.popitem(last=False)[1][1]
        return stamp, self._tracks[1], self._labels[1], entry and entry[0]

    @property
    def is_late(self) -> bool:
        """Whether results are missing for so long that images are better shown without them."""
        limit = max(_LATE, 3 * self._interval) if self._interval < float("inf") else _LATE
        return time.monotonic() - self._completed_at > limit
