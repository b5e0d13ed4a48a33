"""Users double-click, and one click may arrive on several topics: only the first one starts an object."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container
from dataclasses import dataclass

from sam2_ros.tracking.types import Click, PromptError

_INTERVAL = 0.5  # seconds between the clicks of a double click
_DISTANCE = 0.005  # between them, in image diagonals, because viewers scale images down; at least
_MIN_DISTANCE = 3.0  # pixels
_MAX_CLICKS = 8  # kept


class RepeatedClickError(PromptError):
    """A click on the object that the previous click has just started."""

    def __init__(self, click: Click, object_id: int) -> None:
        super().__init__(
            f"click ({click.x:g}, {click.y:g}) repeats the one that started object {object_id}: a double click starts "
            "one object"
        )
        self.object_id = object_id


def object_id_of(error: Exception) -> int:
    """The id for the event about a rejected prompt; 0: no object is concerned."""
    return error.object_id if isinstance(error, RepeatedClickError) else 0


@dataclass(frozen=True)
class UserClick:
    """A user's click on an image."""

    click: Click
    stamp: float  # of the image, seconds
    clicked_at: float  # seconds on the steady clock

    def repeats(self, other: UserClick, size: tuple[int, int]) -> bool:
        """Whether both are one double click on images of `size` (H, W)."""
        distance = math.hypot(self.click.x - other.click.x, self.click.y - other.click.y)
        is_soon = self.stamp == other.stamp or abs(self.clicked_at - other.clicked_at) <= _INTERVAL
        return is_soon and distance <= max(_MIN_DISTANCE, _DISTANCE * math.hypot(*size))


class RecentClicks:
    """The newest clicks that started an object."""

    def __init__(self) -> None:
        self._clicks: deque[tuple[UserClick, int]] = deque(maxlen=_MAX_CLICKS)

    def check(self, click: UserClick, size: tuple[int, int], tracked_ids: Container[int]) -> None:
        """Raises RepeatedClickError for one that repeats a click whose object is still tracked."""
        for earlier, object_id in self._clicks:
            if object_id in tracked_ids and click.repeats(earlier, size):
                raise RepeatedClickError(click.click, object_id)

    def add(self, click: UserClick, object_id: int) -> None:
        """Record a click that started an object."""
        self._clicks.append((click, object_id))
