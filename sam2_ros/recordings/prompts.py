"""Prompts and detections for a stream, each with the frame that it is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING, Protocol

from sam2_ros.detection.messages import read_boxes
from sam2_ros.detection.types import Detection
from sam2_ros.media.ros_prompts import prompt_of
from sam2_ros.tracking.types import FrameResult, Prompt, PromptError

from .parts import WHOLE, Part
from .problems import Problems
from .stamps import seconds_text, stamp_of
from .streams import Frame

if TYPE_CHECKING:
    from .bags import Bag

PROMPT_TYPE = "sam2_ros/msg/Prompt"
DETECTIONS_TYPE = "vision_msgs/msg/Detection2DArray"
STAMP_TOLERANCE = 1_000_000  # nanoseconds by which a stamp in a file may differ from its image's


@dataclass(frozen=True)
class AtFrame:
    """The frame of this number."""

    index: int

    def matches(self, frame: Frame) -> bool:
        """Whether it is this frame."""
        return frame.index == self.index

    def belongs_to(self, part: Part) -> bool:
        """Whether this part has the frame, or would have it."""
        return part.start.index <= self.index < part.end.index

    def __str__(self) -> str:
        return f"frame {self.index}"


@dataclass(frozen=True)
class AtStamp:
    """The image of this stamp (nanoseconds)."""

    stamp: int
    tolerance: int = STAMP_TOLERANCE

    def matches(self, frame: Frame) -> bool:
        """Whether it is this frame."""
        return abs(frame.stamp - self.stamp) <= self.tolerance

    def belongs_to(self, part: Part) -> bool:
        """Whether this part has the frame, or would have it."""
        return part.start.stamp <= self.stamp + self.tolerance < part.end.stamp

    def __str__(self) -> str:
        return f"the image stamped {seconds_text(self.stamp)} s"


@dataclass(frozen=True)
class NewestAt:
    """The newest image at this time of the recording (nanoseconds)."""

    received: int

    def matches(self, frame: Frame) -> bool:
        """Whether it is this frame."""
        return frame.received <= self.received < frame.next_received

    def belongs_to(self, part: Part) -> bool:
        """Whether this part has the frame, or would have it."""
        return part.start.received <= self.received < part.end.received

    def __str__(self) -> str:
        return f"the newest image at {seconds_text(self.received)} s"


@dataclass(frozen=True)
class PlannedPrompt:
    """A prompt, its object and its frame."""

    object: int  # its number, the same for all prompts of an object
    moment: AtFrame | AtStamp | NewestAt
    prompt: Prompt
    is_correction: bool = False  # of the labels of an earlier run, in which a detector may have started the object


def recorded_prompts(bag: Bag, topic: str, problems: Problems) -> list[PlannedPrompt]:
    """The prompts on a topic of sam2_ros/msg/Prompt, which were recorded with the images. Raises BagError.

    On ~/applied_prompts each has the id of its object. On ~/prompt the n-th one for a new object starts object n, as in
    a node in which nothing else has started objects.
    """
    bag.topic(topic, (PROMPT_TYPE,))
    planned = []
    started = 0
    for received, message in bag.messages(topic, problems):
        if message is None:
            continue
        try:
            prompt = prompt_of(message)
        except PromptError as error:
            problems.add("recorded prompt", f"a prompt on {topic} at {seconds_text(received)} s is left out: {error}")
            continue
        started += not message.object_id
        stamp = stamp_of(message)
        moment = AtStamp(stamp, tolerance=0) if stamp else NewestAt(received)
        planned.append(PlannedPrompt(message.object_id or started, moment, prompt))
    return planned


class Detections(Protocol):
    """Boxes of a detector for one frame after the other."""

    def on(self, frame: Frame, result: FrameResult) -> Iterable[Sequence[Detection]]:
        """The arrays for a frame with these tracks, mostly one or none."""

    def finish(self) -> None:
        """After the last frame."""


class RecordedDetections:
    """The arrays on a topic of vision_msgs/Detection2DArray, for one image after the other.

    They are read from the beginning, also for a later part: nobody knows how late a detector is.
    """

    def __init__(self, bag: Bag, topic: str, problems: Problems, part: Part = WHOLE) -> None:
        """Raises BagError."""
        bag.topic(topic, (DETECTIONS_TYPE,))
        self._topic = topic
        self._problems = problems
        messages = (message for _, message in bag.messages(topic, problems) if message is not None)
        stamped = ((stamp_of(message), message) for message in messages)
        since = dropwhile(lambda entry: entry[0] < part.start.stamp, stamped)
        self._messages = takewhile(lambda entry: entry[0] < part.end.stamp, since)
        self._next = next(self._messages, None)

    def on(self, frame: Frame, result: FrameResult) -> Iterator[Sequence[Detection]]:
        """The arrays with the stamp of this frame; earlier ones had no image."""
        while self._next is not None and self._next[0] <= frame.stamp:
            found, message = self._next
            self._next = next(self._messages, None)
            if found == frame.stamp:
                yield read_boxes(message)
            else:
                self._note_unused(found)

    def finish(self) -> None:
        """Note what is left after the last image."""
        if self._next is not None:
            self._note_unused(self._next[0])

    def _note_unused(self, stamp: int) -> None:
        self._problems.add(
            "detections",
            f"detections on {self._topic} stamped {seconds_text(stamp)} s belong to no image: the detector must copy "
            "the image's header",
        )
