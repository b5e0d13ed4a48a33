"""Notices when images and their depth do not match in time, and says why."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_KEPT = 8  # stamps of each topic
LARGEST_SLOP = 1000.0  # milliseconds, of the parameter depth_slop


class DepthWatch:
    """Is given the stamp of every image and depth; durations are on the steady clock."""

    def __init__(self, slop: float) -> None:
        self._slop = slop  # milliseconds by which stamps may differ
        self._stamps = {topic: deque[float](maxlen=_KEPT) for topic in ("image", "depth")}
        self._received = dict.fromkeys(self._stamps, time.monotonic())
        self._unmatched_since: float | None = None  # when the first image went on without depth; None: the last had it

    def receive(self, topic: str, stamp: float) -> None:
        """A message with this stamp (seconds) has come."""
        self._received[topic] = time.monotonic()
        self._stamps[topic].append(stamp)

    def match(self) -> None:
        """An image has its depth."""
        self._unmatched_since = None

    def miss(self) -> None:
        """An image went on without depth."""
        if self._unmatched_since is None:
            self._unmatched_since = time.monotonic()

    def restart(self) -> None:
        """Stamps went back: earlier ones do not count."""
        for stamps in self._stamps.values():
            stamps.clear()

    def has_images(self, timeout: float) -> bool:
        """Whether one came in the last `timeout` seconds."""
        return time.monotonic() - self._received["image"] <= timeout

    def problem(self, timeout: float, explain_silence: Callable[[float], str]) -> str:
        """Why no image has had depth for `timeout` seconds or longer; empty: one had it, or no images come either.

        `explain_silence` says more of depth that has been silent for some seconds.
        """
        now = time.monotonic()
        if self._unmatched_since is None or now - self._unmatched_since < timeout or not self.has_images(timeout):
            return ""
        silence = now - self._received["depth"]
        if silence > timeout:
            return explain_silence(silence)
        if not self._stamps["depth"] or not self._stamps["image"]:
            return ""
        return f"no depth matches an image for {now - self._unmatched_since:.1f} s: {self._reason()}"

    def _reason(self) -> str:
        for topic, stamps in self._stamps.items():
            if not any(stamps):
                return f"`{topic}` has no stamps (all are 0): let its driver set header.stamp"
        apart = self._distance()
        if apart == 0.0 or apart < self._slop:
            return (
                "their stamps agree, but depth comes after its image's results are published: let it be computed on "
                "the camera, or lower its resolution"
            )
        if apart > LARGEST_SLOP:
            return (
                f"the nearest stamps of image and depth differ by {apart / 1000:.1f} s: their drivers use different "
                "clocks, let one clock stamp both"
            )
        return (
            f"the nearest stamps of image and depth differ by {apart:.1f} ms, and depth_slop is {self._slop:g} ms: "
            f"let the driver stamp both alike, or set depth_slop above {apart:.1f}"
        )

    def _distance(self) -> float:
        """The smallest one between a stamp of depth and one of an image, milliseconds."""
        return 1000 * min(abs(depth - image) for depth in self._stamps["depth"] for image in self._stamps["image"])
