"""Notices when images and their depth never meet, which synchronizers keep to themselves, and says why."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

_KEPT = 8  # stamps of each topic
TOPICS = ("depth", "camera_info")
_IN_2D = "tracking goes on in 2-D"


class DepthWatch:
    """Told of everything that comes; durations are on the steady clock."""

    def __init__(self, slop: float) -> None:
        self._slop = slop  # milliseconds by which stamps may differ
        self._stamps = {topic: deque[float](maxlen=_KEPT) for topic in ("image", *TOPICS)}
        self._heard = dict.fromkeys(("image", *TOPICS), time.monotonic())
        self._unmet_since: float | None = None  # when the first image went on without depth; None: the last had it

    def hear(self, topic: str, stamp: float) -> None:
        """A message with this stamp (seconds) has come."""
        self._heard[topic] = time.monotonic()
        self._stamps[topic].append(stamp)

    def meet(self) -> None:
        """An image has its depth."""
        self._unmet_since = None

    def miss(self) -> None:
        """An image went on without depth."""
        if self._unmet_since is None:
            self._unmet_since = time.monotonic()

    def forget(self) -> None:
        """Because stamps went back."""
        for stamps in self._stamps.values():
            stamps.clear()

    def problem(self, timeout: float, explain_silence: Callable[[str, float], str]) -> str:
        """Why nothing has met for `timeout` seconds or longer; empty: it has, or there are no images either.

        `explain_silence` says more of a topic that is silent for some seconds.
        """
        now = time.monotonic()
        if self._unmet_since is None or now - self._unmet_since < timeout or now - self._heard["image"] > timeout:
            return ""
        for topic in TOPICS:
            if now - self._heard[topic] > timeout:
                return f"{explain_silence(topic, now - self._heard[topic])}; {_IN_2D}"
        complaint = f"image, depth and camera_info have not met for {now - self._unmet_since:.1f} s"
        apart = {topic: self._distance(topic) for topic in TOPICS}
        if max(apart.values()) <= self._slop:
            return (
                f"{complaint} in time: their stamps agree, but depth comes when its image's results are out already; "
                f"let it be computed on the camera, or lower its resolution; {_IN_2D}"
            )
        numbers = " and ".join(f"of {topic} by {distance:.1f} ms" for topic, distance in apart.items())
        return (
            f"{complaint}: the stamps nearest to an image's differ, {numbers}, and depth_slop is {self._slop:g} ms: "
            f"let the driver stamp all three alike, or set depth_slop above {max(apart.values()):.1f}; {_IN_2D}"
        )

    def _distance(self, topic: str) -> float:
        """The smallest one between a stamp of a topic and one of an image, milliseconds."""
        images, stamps = self._stamps["image"], self._stamps[topic]
        return 1000 * min((abs(stamp - image) for stamp in stamps for image in images), default=math.inf)
