"""Detects that several cameras publish on one image topic."""

from __future__ import annotations

from collections import Counter, deque
from itertools import groupby

_WINDOW = 30  # newest images
_MAX_NAMES = 4  # in the warning


class FrameIds:
    """The frame_ids of the newest images of one topic."""

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=_WINDOW)

    def add(self, frame_id: str) -> None:
        """Record the frame_id of the next image."""
        self._recent.append(frame_id)

    def warning(self, topic: str) -> str:
        """Which frame_ids alternate, and what to do; empty: none."""
        runs = Counter(frame_id for frame_id, _ in groupby(tuple(self._recent)))
        names = [frame_id for frame_id, count in runs.items() if count > 1]  # a camera that was replaced has one run
        if len(names) < 2:
            return ""
        listed = ", ".join(map(repr, names[:_MAX_NAMES])) + ", ..." * (len(names) > _MAX_NAMES)
        return (
            f"{len(names)} cameras share {topic}, the frame_id alternates between {listed}: let each publish on a "
            "topic of its own, and remap `image` to one of them"
        )
