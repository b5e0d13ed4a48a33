"""Accepts or ignores images by their stamps; the one place that checks them. No ROS in here.

Real drivers publish a stray stamp now and then, far ahead or behind. A single one must not move the time of the stream,
because a jump back drops every object. So an image either continues the stream or is ignored; several consecutive
images that continue one another at another time are accepted and move the stream there. A gap is no jump: stamps may
advance by as much as has passed since the newest image was received, on the steady clock or at the camera's own rate.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from enum import Enum
from statistics import median

_REORDERING = 0.5  # seconds by which an image may arrive late; an older one means that time jumped back
_LONGEST_REORDERING = 5.0  # seconds, where the newest image left a gap that late ones may fill
_FIRST_PERIOD = 1.0  # seconds between images, until it is measured
_GAPS = 8  # between images, whose median is the period
_CONSISTENT = 3  # consecutive images that continue one another, or
_RISING = 10  # consecutive images with rising stamps, are accepted as the stream

# Warn where at least this many, and at least this share of the newest images are ignored.
_WINDOW = 30  # images
_MIN_SHARE = 1 / 3
_MIN_IGNORED = 4


class StampFault(Enum):
    """Why an image is ignored."""

    UNSTAMPED = "their stamps are zero: let the driver stamp each image (in simulation, check /clock)"
    REPEATED = "they repeat the newest stamp: let the driver stamp each image with its own time"
    LATE = "they are older than the newest image: two cameras share the topic, or images arrive out of order"
    STRAY = "their stamps jump back and forth: check the driver's clock, and whether two cameras share the topic"


@dataclass(frozen=True, eq=False)
class TimeJump:
    """Image time jumped back (seconds). Compared by identity: a bag that loops makes the same jump many times."""

    before: float  # newest stamp before the jump
    after: float  # first stamp after it


@dataclass(frozen=True)
class _Arrival:
    stamp: float  # seconds on the clock of the images
    received: float  # seconds on the steady clock


@dataclass(frozen=True)
class _Run:
    """Consecutive ignored images with rising stamps that do not continue the stream."""

    first: float  # stamp
    last: _Arrival
    rising: int = 1
    consistent: int = 1  # the newest of them, which continue one another

    @property
    def is_confirmed(self) -> bool:
        return self.consistent >= _CONSISTENT or self.rising >= _RISING


class StampFilter:
    """Checks the stamps of one image stream, in the order of receipt."""

    def __init__(self) -> None:
        self._newest: _Arrival | None = None  # accepted image
        self._previous = 0.0  # stamp of the accepted image before it
        self._gaps: deque[float] = deque(maxlen=_GAPS)  # seconds
        self._run: _Run | None = None
        self._faults: deque[StampFault | None] = deque(maxlen=_WINDOW)
        self.jump: TimeJump | None = None  # the newest one

    def check(self, stamp: float, received: float) -> StampFault | None:
        """Why to ignore the image of this stamp; None: it is accepted.

        `stamp` in seconds, `received` in seconds on the steady clock. Where time jumps back, `jump` is a new one.
        """
        fault = self._check(_Arrival(stamp, received))
        self._faults.append(fault)
        return fault

    @property
    def newest(self) -> float | None:
        """Stamp of the newest accepted image (seconds)."""
        return self._newest.stamp if self._newest else None

    @property
    def warning(self) -> str:
        """Why many of the newest images are ignored, and what to do; empty: few are."""
        faults = [fault for fault in tuple(self._faults) if fault]
        if len(faults) < max(_MIN_IGNORED, _MIN_SHARE * len(self._faults)):
            return ""
        ((fault, _),) = Counter(faults).most_common(1)
        return f"{len(faults)} of the last {len(self._faults)} images are ignored: {fault.value}"

    def _check(self, image: _Arrival) -> StampFault | None:
        newest = self._newest
        if newest is None:
            self._accept(image, previous=image.stamp)
            return None
        if self._continues(newest, image):
            self._gaps.append(image.stamp - newest.stamp)
            self._accept(image, previous=newest.stamp)
            return None
        fault = self._fault(newest, image.stamp)
        run = self._run
        if run is not None and image.stamp == run.last.stamp:
            return fault
        self._run = extended = self._extended(run, image, fault)
        if run is None or extended is None or not extended.is_confirmed:
            return fault
        if image.stamp <= newest.stamp:
            self.jump = TimeJump(newest.stamp, extended.first)
        self._gaps.clear()
        self._gaps.append(image.stamp - run.last.stamp)
        self._accept(image, previous=image.stamp)
        return None

    def _extended(self, run: _Run | None, image: _Arrival, fault: StampFault) -> _Run | None:
        """The run of ignored images with one more; None where the image is only late, and starts none."""
        if run is not None and self._continues(run.last, image):
            return replace(run, last=image, rising=run.rising + 1, consistent=run.consistent + 1)
        if fault in (StampFault.LATE, StampFault.REPEATED):
            return None
        if run is not None and image.stamp > run.last.stamp:
            return replace(run, last=image, rising=run.rising + 1, consistent=1)
        return _Run(image.stamp, image)

    def _accept(self, image: _Arrival, previous: float) -> None:
        self._newest, self._previous, self._run = image, previous, None

    def _continues(self, before: _Arrival, image: _Arrival) -> bool:
        """Whether the image can follow: its stamp has advanced by no more than the time that can have passed."""
        period = median(self._gaps) if self._gaps else _FIRST_PERIOD
        longest = max(image.received - before.received, 2 * period) + _REORDERING
        return 0 < image.stamp - before.stamp <= longest

    def _fault(self, newest: _Arrival, stamp: float) -> StampFault:
        delay = newest.stamp - stamp
        fills_gap = stamp > self._previous and delay < _LONGEST_REORDERING
        if not stamp:
            return StampFault.UNSTAMPED
        if not delay:
            return StampFault.REPEATED
        return StampFault.LATE if delay > 0 and (delay < _REORDERING or fills_gap) else StampFault.STRAY
