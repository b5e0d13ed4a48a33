"""Decides which image stamps to trust: the one place that judges them. No ROS in here.

Real drivers send a stray stamp now and then, far ahead or behind. A lone one must not move the time of the stream,
because going back drops every object. So an image either continues the stream or is ignored; several images in a row
that continue one another elsewhere are trusted and move the stream there. A gap is no stray: stamps may advance by as
much as has passed since the newest image came, on the wall clock or at the camera's own rate.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from enum import Enum
from statistics import median

_REORDERING = 0.5  # seconds by which an image may be delayed on its way; an older one means that time was set back
_LONGEST_REORDERING = 5.0  # seconds, where the newest image left a gap that older ones may still fill
_FIRST_PERIOD = 1.0  # seconds between images, until it is known
_GAPS = 8  # between images, whose median is the period
_CONFIRMING = 3  # images in a row that continue one another, or
_RISING = 10  # images in a row whose stamps rise: the stream is where they are

_WINDOW = 30  # newest images, of which too many are ignored
_SHARE = 1 / 3  # from this share on, and from
_FEWEST = 4  # ignored images on


class Fault(Enum):
    """Why an image is ignored."""

    UNSTAMPED = "their stamps are zero: let the driver stamp each image (in simulation, check /clock)"
    REPEATED = "they repeat the newest stamp: let the driver stamp each image with its own time"
    LATE = "they are older than the newest image: two cameras share the topic, or images arrive out of order"
    STRAY = "their stamps jump to and fro: check the driver's clock, and whether two cameras share the topic"


@dataclass(frozen=True, eq=False)
class Jump:
    """Image time was set back (seconds). Compared by identity: a bag that loops makes the same jump many times."""

    before: float  # newest stamp until then
    after: float  # first stamp since


@dataclass(frozen=True)
class _Arrival:
    stamp: float  # seconds on the clock of the images
    moment: float  # seconds on the steady clock


@dataclass(frozen=True)
class _Row:
    """Ignored images in a row, with rising stamps, that do not continue the stream."""

    first: float  # stamp
    last: _Arrival
    rising: int = 1
    agreeing: int = 1  # the newest of them, that continue one another

    @property
    def is_confirmed(self) -> bool:
        return self.agreeing >= _CONFIRMING or self.rising >= _RISING


class ImageClock:
    """Judges the stamps of one image stream, in the order in which the images come."""

    def __init__(self) -> None:
        self._newest: _Arrival | None = None  # that was accepted
        self._previous = 0.0  # stamp of the one accepted before it
        self._gaps: deque[float] = deque(maxlen=_GAPS)  # seconds
        self._row: _Row | None = None
        self._verdicts: deque[Fault | None] = deque(maxlen=_WINDOW)
        self.jump: Jump | None = None  # the last one

    def judge(self, stamp: float, moment: float) -> Fault | None:
        """Why to ignore the image of this stamp, which came at `moment` on the steady clock; None: it is accepted.

        Both in seconds. Where its acceptance sets time back, `jump` is a new one.
        """
        verdict = self._judge(_Arrival(stamp, moment))
        self._verdicts.append(verdict)
        return verdict

    @property
    def newest(self) -> float | None:
        """Stamp of the newest accepted image (seconds)."""
        return self._newest.stamp if self._newest else None

    @property
    def problem(self) -> str:
        """Why many of the newest images are ignored, and what to do; empty where few are."""
        faults = [verdict for verdict in tuple(self._verdicts) if verdict]
        if len(faults) < max(_FEWEST, _SHARE * len(self._verdicts)):
            return ""
        ((fault, _),) = Counter(faults).most_common(1)
        return f"{len(faults)} of the last {len(self._verdicts)} images are ignored: {fault.value}"

    def _judge(self, image: _Arrival) -> Fault | None:
        newest = self._newest
        if newest is None:
            self._accept(image, previous=image.stamp)
            return None
        if self._continues(newest, image):
            self._gaps.append(image.stamp - newest.stamp)
            self._accept(image, previous=newest.stamp)
            return None
        fault = self._fault(newest, image.stamp)
        row = self._row
        if row is not None and image.stamp == row.last.stamp:
            return fault
        self._row = extended = self._extended(row, image, fault)
        if row is None or extended is None or not extended.is_confirmed:
            return fault
        if image.stamp <= newest.stamp:
            self.jump = Jump(newest.stamp, extended.first)
        self._gaps.clear()
        self._gaps.append(image.stamp - row.last.stamp)
        self._accept(image, previous=image.stamp)
        return None

    def _extended(self, row: _Row | None, image: _Arrival, fault: Fault) -> _Row | None:
        """The row of ignored images with one more; None where the image is only late, and starts none."""
        if row is not None and self._continues(row.last, image):
            return replace(row, last=image, rising=row.rising + 1, agreeing=row.agreeing + 1)
        if fault in (Fault.LATE, Fault.REPEATED):
            return None
        if row is not None and image.stamp > row.last.stamp:
            return replace(row, last=image, rising=row.rising + 1, agreeing=1)
        return _Row(image.stamp, image)

    def _accept(self, image: _Arrival, previous: float) -> None:
        self._newest, self._previous, self._row = image, previous, None

    def _continues(self, before: _Arrival, image: _Arrival) -> bool:
        """Whether no more image time lies between them than can have passed."""
        period = median(self._gaps) if self._gaps else _FIRST_PERIOD
        longest = max(image.moment - before.moment, 2 * period) + _REORDERING
        return 0 < image.stamp - before.stamp <= longest

    def _fault(self, newest: _Arrival, stamp: float) -> Fault:
        delay = newest.stamp - stamp
        fills_gap = stamp > self._previous and delay < _LONGEST_REORDERING
        if not stamp:
            return Fault.UNSTAMPED
        if not delay:
            return Fault.REPEATED
        return Fault.LATE if delay > 0 and (delay < _REORDERING or fills_gap) else Fault.STRAY
