"""Parts of a recorded camera: where no image comes for long, objects end, and what follows is labelled by itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from .problems import Problems
from .stamps import stamp_of

if TYPE_CHECKING:
    from .bags import Bag

_FAR = 2**63 - 1


@dataclass(frozen=True)
class Start:
    """The first image of a part."""

    index: int  # its number among the topic's messages, from 0
    stamp: int  # nanoseconds
    received: int  # when it was recorded, nanoseconds


@dataclass(frozen=True)
class Part:
    """The images from one start up to the next; prompts and detections in the gap after them are theirs, too."""

    start: Start = Start(0, 0, 0)
    end: Start = Start(_FAR, _FAR, _FAR)


WHOLE = Part()


def parts_of(bag: Bag, topic: str, gap: int) -> list[Part]:
    """The parts between gaps of more than `gap` nanoseconds in the images' stamps; one if there is no such gap.

    A single image with a stamp far ahead of all others is no gap, nor are stamps that go back. Raises UnknownTypeError.
    """
    starts: list[Start] = []
    candidate: Start | None = None  # the previous image, if it came after a gap
    newest_stamp = newest_received = 0
    for index, (received, message) in enumerate(bag.messages(topic, Problems())):
        while starts and received < starts[-1].received:  # files that overlap: nothing can be read from there on
            starts.pop()
        if message is None:
            continue
        stamp = stamp_of(message)
        if stamp <= 0:
            stamp = received
        is_ahead = bool(newest_stamp) and stamp - newest_stamp > gap
        if candidate and is_ahead and received >= candidate.received:
            starts.append(candidate)
            newest_stamp = candidate.stamp
            is_ahead = stamp - newest_stamp > gap
        if is_ahead and received > newest_received:
            candidate = Start(index, stamp, received)
        else:
            candidate = None
            newest_stamp = max(newest_stamp, stamp)
        newest_received = max(newest_received, received)
    return [Part(*ends) for ends in pairwise([WHOLE.start, *starts, WHOLE.end])]
