"""Notices when several cameras share one image topic."""

from __future__ import annotations

from collections import Counter, deque
from itertools import groupby

_WINDOW = 30  # newest images
_NAMED = 4  # frame_ids in the message


class FrameIds:
    """The frame_ids of the newest images of one topic."""

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=_WINDOW)

    def note(self, frame_id: str) -> None:
        """The next image carries this one."""
        self._recent.append(frame_id)

    def problem(self, topic: str) -> str:
        """Which frame_ids alternate, and what to do; empty where none do."""
        runs = Counter(frame_id for frame_id, _ in groupby(tuple(self._recent)))
        names = [frame_id for frame_id, count in runs.items() if count > 1]  # a camera that is replaced has one run
        if len(names) < 2:
            return ""
        listed = ", ".join(map(repr, names[:_NAMED])) + ", ..." * (len(names) > _NAMED)
        return (
            f"{len(names)} cameras share {topic}, the frame_id alternates between {listed}: let each publish on a "
            "topic of its own, and remap `image` to one of them"
        )
