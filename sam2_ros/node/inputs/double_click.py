"""People double-click, and one click may arrive on several topics: only the first one starts an object."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container
from dataclasses import dataclass

from sam2_ros.tracking.types import Click, PromptError

_INTERVAL = 0.5  # seconds between the clicks of a double click
_DISTANCE = 0.005  # between them, in diagonals of the image, which may be shown smaller than it is; but at least
_PIXELS = 3.0
_KEPT = 8  # clicks that started an object


class RepeatedClick(PromptError):
    """A click that means the object that was just started."""

    def __init__(self, click: Click, object_id: int) -> None:
        super().__init__(
            f"click ({click.x:g}, {click.y:g}) repeats the one that started object {object_id}: a double click starts "
            "one object"
        )
        self.object_id = object_id


def object_of(error: Exception) -> int:
    """The object that a rejected prompt means already; 0: none."""
    return error.object_id if isinstance(error, RepeatedClick) else 0


@dataclass(frozen=True)
class HandClick:
    """A person's click on an image."""

    click: Click
    stamp: float  # of the image, seconds
    moment: float  # when it came, seconds on the steady clock

    def repeats(self, other: HandClick, size: tuple[int, int]) -> bool:
        """Whether both mean the same on images of `size` (H, W)."""
        distance = math.hypot(self.click.x - other.click.x, self.click.y - other.click.y)
        is_soon = self.stamp == other.stamp or abs(self.moment - other.moment) <= _INTERVAL
        return is_soon and distance <= max(_PIXELS, _DISTANCE * math.hypot(*size))


class StartingClicks:
    """The newest clicks that started an object."""

    def __init__(self) -> None:
        self._clicks: deque[tuple[HandClick, int]] = deque(maxlen=_KEPT)

    def check(self, click: HandClick, size: tuple[int, int], followed: Container[int]) -> None:
        """Raises RepeatedClick for one that repeats the start of an object that is still `followed`."""
        for earlier, object_id in self._clicks:
            if object_id in followed and click.repeats(earlier, size):
                raise RepeatedClick(click.click, object_id)

    def note(self, click: HandClick, object_id: int) -> None:
        """This one started an object."""
        self._clicks.append((click, object_id))
