"""A recording with true masks, as a video to evaluate on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam2_ros.media.sources import FOLDER_RATE, is_bag
from sam2_ros.recordings.bag_access import open_bag
from sam2_ros.recordings.outputs.common import Origin
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.streams import Stream, bag_stream, media_stream
from sam2_ros.training.davis import DatasetError, Sequence

_MASKS = "masks named by the number of their frame from 0 on, such as 000042.png, in which N is the N-th object"


@dataclass(frozen=True)
class RecordedSequence(Sequence):
    """The frames from the first to the last mask; `images` are their names only."""

    recording: Path = Path()
    topic: str = ""  # "" of a video or a folder of pictures

    def frames(self) -> Iterator[np.ndarray]:
        """Every frame (H, W, 3) uint8 RGB. Raises DatasetError for one that cannot be read, ValueError."""
        wanted = iter(int(image.stem) for image in self.images)
        expected = next(wanted)
        problems = Problems()
        with ExitStack() as opened:
            for frame in self._stream(opened, problems).frames:
                if frame.index < expected:
                    continue
                if frame.index > expected:
                    break
                yield frame.rgb
                following = next(wanted, None)
                if following is None:
                    return
                expected = following
        reasons = "; ".join(problems.lines) or "the recording is shorter"
        raise DatasetError(f"frame {expected} of {self.name} cannot be read ({reasons})")

    def _stream(self, opened: ExitStack, problems: Problems) -> Stream:
        if not self.topic:
            return media_stream(self.recording, FOLDER_RATE, problems)
        return bag_stream(opened.enter_context(open_bag(self.recording)), self.topic, problems)


def read_recording(recording: Path, topic: str, truth: Path) -> RecordedSequence:
    """The recording from its first true mask on. Raises DatasetError for masks that cannot be used."""
    if not recording.exists():
        raise DatasetError(f"{recording} does not exist, expected a ROS 2 bag, a video file or a folder of pictures")
    if is_bag(recording) != bool(topic):
        hint = "is a ROS 2 bag: give the --topic of its images" if not topic else "is no ROS 2 bag: leave --topic out"
        raise DatasetError(f"{recording} {hint}")
    masks = {int(file.stem): file for file in truth.glob("*.png") if file.stem.isdecimal()}
    if not masks:
        raise DatasetError(f"--truth {truth} holds no masks, expected {_MASKS}")
    names = {number: file.stem for number, file in masks.items()}
    frames = range(min(masks), max(masks) + 1)
    return RecordedSequence(
        name=Origin(recording.name, topic, "").name,
        images=tuple(Path(names.get(number, f"{number:06d}")) for number in frames),
        annotations=tuple(masks[number] for number in sorted(masks)),
        recording=recording,
        topic=topic,
    )
