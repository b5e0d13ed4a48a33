"""When the detector searches an image: now and then, and at once where an object that it may find again is lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sam2_ros.detection.types import class_id_of

_TOLERANCE = 1e-6  # seconds; stamps are not exact multiples of a period


@dataclass(frozen=True)
class SearchRates:
    """Searches per second of image time, at most. Raises ValueError."""

    rate: float = 2.0
    lost_rate: float = 4.0  # while an object that was found by its words is lost

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.lost_rate <= 0:
            raise ValueError(f"rate is {self.rate:g} and lost_rate {self.lost_rate:g}, expected numbers above 0")

    def period(self, is_lost: bool) -> float:
        """Seconds between two searches."""
        return 1 / (max(self.rate, self.lost_rate) if is_lost else self.rate)


class SearchSchedule:
    """Decides for each image whether it is searched."""

    def __init__(self) -> None:
        self._searched: float | None = None  # stamp of the newest image that was searched
        self._lost: frozenset[int] = frozenset()  # ids of the objects that were lost then

    def is_due(self, stamp: float, lost: Collection[int], rates: SearchRates) -> bool:
        """Whether to search the image of this stamp (seconds), while the objects of these ids are lost.

        An object that was not lost at the last search makes the next image due.
        """
        if self._searched is None or stamp < self._searched or not self._lost.issuperset(lost):
            return True
        return stamp - self._searched >= rates.period(is_lost=bool(lost)) - _TOLERANCE

    def note(self, stamp: float, lost: Collection[int]) -> None:
        """The image of this stamp is searched, while the objects of these ids are lost."""
        self._searched, self._lost = stamp, frozenset(lost)

    def restart(self) -> None:
        """The next image is due, because other words are searched for."""
        self._searched = None


def found_by(phrases: Collection[str], labels: Mapping[int, str]) -> frozenset[int]:
    """The ids of the objects whose labels are among these phrases."""
    classes = {class_id_of(phrase) for phrase in phrases}
    return frozenset(track_id for track_id, label in labels.items() if class_id_of(label) in classes)
