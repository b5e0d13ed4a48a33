"""What the writers of all formats share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sam2_ros.files import named_errors
from sam2_ros.tracking import FrameResult, Track

from ..streams import Frame

UNNAMED = "object"  # class of objects without a label


@dataclass(frozen=True)
class Labelled:
    """A frame, its result, and its picture's path below the output folder ("" where no format needs one)."""

    frame: Frame
    result: FrameResult
    picture: str = ""

    @property
    def visible(self) -> list[Track]:
        """The objects with a mask, in order of id."""
        return sorted((track for track in self.result.tracks if track.area), key=lambda track: track.id)


@dataclass(frozen=True)
class Origin:
    """Where labels come from, and where they are."""

    recording: str  # name of the file or folder
    topic: str  # "" of a video or a folder of pictures
    served_as: str  # path of the labels below the folder that Label Studio serves
    part: str = ""  # name, where the recording is labelled in parts

    @property
    def name(self) -> str:
        """For people and as a sequence's name."""
        names = [Path(self.recording).stem, self.topic.strip("/").replace("/", "_"), self.part]
        return "_".join(filter(None, names))


class Output(Protocol):
    """One format. Errors of the disk name the file."""

    def write(self, labelled: Labelled) -> None:
        """Append a frame."""

    def close(self) -> None:
        """Complete the files, as far as frames came."""


class Classes:
    """Numbers for labels, from `first` on in order of appearance."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.names: list[str] = []

    def number(self, track: Track) -> int:
        """The number of the object's class."""
        name = track.label or UNNAMED
        if name not in self.names:
            self.names.append(name)
        return self._first + self.names.index(name)


class Spool:
    """A list of JSON values that grows in a file, not in memory."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file = file.open("w+", encoding="utf-8")
        self._is_empty = True

    def append(self, value: Any) -> None:
        """Append a value."""
        with named_errors(self._path):
            self._file.write(("" if self._is_empty else ",\n") + json.dumps(value))
        self._is_empty = False

    def pieces(self) -> Iterator[str]:
        """The whole list as JSON text, in pieces."""
        with named_errors(self._path):
            self._file.seek(0)
        yield "[\n"
        while piece := self._file.read(1 << 20):
            yield piece
        yield "\n]"

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
        self._path.unlink()


def as_uint8(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool -> 0 and 1"""
    return mask.view(np.uint8)
