"""How well each object was followed: `report.csv`, a row for each object, and `report.png`, a strip for each."""

from __future__ import annotations

import csv
import heapq
import io
from dataclasses import dataclass, field
from pathlib import Path

from sam2_ros.media.pictures import write_whole
from sam2_ros.tracking import Event, EventKind, FrameResult, Track

from .quality_strip import QualityStrip, draw_strips

TABLE, PICTURE = "report.csv", "report.png"

_LOOK_AT = 10  # frames that are worth a look, at most, of each kind
_DOUBTFUL = 0.7  # predicted IoU below which a frame is worth a look
_DISAGREEING = 0.7  # IoU of the forward and the backward mask below which a frame is worth a look
_COLUMNS = (
    *("object", "label", "first_frame", "last_frame", "frames", "visible"),
    *("mean_presence", "mean_predicted_iou", "min_predicted_iou", "mean_agreement", "worth_a_look"),
)


@dataclass
class _Object:
    label: str
    first_frame: int
    last_frame: int = 0
    frames: int = 0
    visible: int = 0
    strip: QualityStrip = field(default_factory=QualityStrip)
    presence: float = 0.0  # sum over all frames
    predicted_iou: float = 0.0  # sum over the visible ones
    worst: list[tuple[float, int]] = field(default_factory=list)  # heap of (1 - predicted IoU, frame)
    agreements: int = 0  # frames on which it was followed forwards and backwards
    agreement: float = 0.0  # sum of the IoU of both masks
    disagreeing: list[tuple[float, int]] = field(default_factory=list)  # heap of (-IoU, frame), the worst
    changes: list[int] = field(default_factory=list)  # frames on which it vanished or returned, the first of them


class Report:
    """Sums up a stream; its size depends on the number of objects only."""

    def __init__(self) -> None:
        self._objects: dict[int, _Object] = {}
        self._first_frame: int | None = None
        self._last_frame = -1
        self.frames = 0

    def expect(self, number: int, label: str) -> None:
        """An object that is asked for: it has a row, also if it is never found."""
        self._objects.setdefault(number, _Object(label, first_frame=0))

    def add(self, result: FrameResult) -> None:
        """The next frame."""
        self.frames += 1
        self._first_frame = result.index if self._first_frame is None else self._first_frame
        self._last_frame = result.index
        for track in result.tracks:
            self._add_track(track, result.index)
        for event in result.events:
            self._add_event(event, result.index)

    def note_agreement(self, number: int, frame: int, iou: float) -> None:
        """How much the masks of an object agree that was followed forwards and backwards to a frame."""
        entry = self._objects.setdefault(number, _Object("", frame))
        entry.agreements += 1
        entry.agreement += iou
        if iou < _DISAGREEING:
            heapq.heappush(entry.disagreeing, (-iou, frame))
            if len(entry.disagreeing) > _LOOK_AT:
                heapq.heappop(entry.disagreeing)

    @property
    def lines(self) -> list[str]:
        """One line for each object that was found."""
        return [
            f"object {number} {entry.label}".rstrip() + f": visible on {entry.visible} of {entry.frames} frames"
            for number, entry in sorted(self._objects.items())
            if entry.frames
        ]

    @property
    def labels(self) -> set[str]:
        """Of the objects that were found."""
        return {entry.label for entry in self._objects.values() if entry.frames}

    def write(self, folder: Path) -> None:
        """Raises OSError that names the file."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        for number, entry in sorted(self._objects.items()):
            iou = entry.predicted_iou / entry.visible if entry.visible else 0.0
            lowest = 1 - max(entry.worst)[0] if entry.worst else iou
            worst = [*_doubtful(entry), *entry.disagreeing]
            frames = sorted({frame for _, frame in worst} | set(entry.changes))
            agreement = f"{entry.agreement / entry.agreements:.4f}" if entry.agreements else ""
            writer.writerow(
                (
                    *(number, entry.label, *_extent(entry), entry.frames, entry.visible),
                    *(f"{value:.4f}" for value in (entry.presence / max(entry.frames, 1), iou, lowest)),
                    agreement,
                    " ".join(map(str, frames)),
                )
            )
        write_whole(folder / TABLE, text.getvalue().encode())
        strips = {f"{number} {entry.label}": entry.strip for number, entry in sorted(self._objects.items())}
        write_whole(folder / PICTURE, draw_strips(strips, self._first_frame or 0, self._last_frame + 1))

    def _add_track(self, track: Track, frame: int) -> None:
        entry = self._objects.setdefault(track.id, _Object(track.label, frame))
        entry.label = track.label
        if not entry.frames:
            entry.first_frame = frame
        entry.last_frame = frame
        entry.frames += 1
        entry.presence += track.presence
        entry.strip.add(frame - (self._first_frame or 0), track.predicted_iou if track.area else 0.0)
        if track.area:
            entry.visible += 1
            entry.predicted_iou += track.predicted_iou
            heapq.heappush(entry.worst, (1 - track.predicted_iou, frame))
            if len(entry.worst) > _LOOK_AT:
                heapq.heappop(entry.worst)  # the best of them

    def _add_event(self, event: Event, frame: int) -> None:
        entry = self._objects.get(event.track_id)
        is_change = event.kind in (EventKind.OCCLUDED, EventKind.REACQUIRED)
        if entry and is_change and len(entry.changes) < _LOOK_AT:
            entry.changes.append(frame)


def _extent(entry: _Object) -> tuple[int | str, int | str]:
    """First and last frame, empty of an object that was never found."""
    return (entry.first_frame, entry.last_frame) if entry.frames else ("", "")


def _doubtful(entry: _Object) -> list[tuple[float, int]]:
    return [item for item in entry.worst if 1 - item[0] < _DOUBTFUL]
