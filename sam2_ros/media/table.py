"""The table of a run, with a row for each object on each frame, and its events as text."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from ..tracking.types import Box, Event, FrameResult, TrackState

COLUMNS = (
    "stamp",
    "frame",
    "id",
    "label",
    "state",
    "presence",
    "predicted_iou",
    "area",
    "x0",
    "y0",
    "x1",
    "y1",
)


@dataclass(frozen=True)
class TrackRow:
    """One object on one frame, without its mask."""

    stamp: float  # seconds
    frame: int
    id: int
    label: str
    state: TrackState
    presence: float  # 0..1
    predicted_iou: float
    area: int  # pixels
    box: Box | None  # pixels, None where the mask is empty


def rows_of(result: FrameResult) -> list[TrackRow]:
    """The table's rows for one frame."""
    return [
        TrackRow(
            result.stamp,
            result.index,
            track.id,
            track.label,
            track.state,
            track.presence,
            track.predicted_iou,
            track.area,
            track.box,
        )
        for track in result.tracks
    ]


class CsvWriter:
    """Writes a CSV file, as a context manager. All rows of a call are in the file when it returns, or none.

    Raises OSError that names the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115  closed by this context manager
        self._append([COLUMNS])

    def __enter__(self) -> CsvWriter:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, rows: Iterable[TrackRow]) -> None:
        """Append rows."""
        self._append(_to_text(row) for row in rows)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, lines: Iterable[Iterable[object]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        end, rest = self._file.tell(), memoryview(text.getvalue().encode())
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(end)
            raise OSError(error.errno, error.strerror, self._path) from error


def write_csv(rows: Iterable[TrackRow], path: str | os.PathLike[str]) -> None:
    """Write a whole table."""
    with CsvWriter(path) as writer:
        writer.write(rows)


def read_csv(path: str | os.PathLike[str]) -> Iterator[TrackRow]:
    """The rows of a table that `CsvWriter` wrote."""
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            edges = [row[name] for name in ("x0", "y0", "x1", "y1")]
            yield TrackRow(
                stamp=float(row["stamp"]),
                frame=int(row["frame"]),
                id=int(row["id"]),
                label=row["label"],
                state=TrackState(row["state"]),
                presence=float(row["presence"]),
                predicted_iou=float(row["predicted_iou"]),
                area=int(row["area"]),
                box=Box(*map(float, edges)) if all(edges) else None,
            )


def describe(event: Event, start: float = 0.0) -> str:
    """An event as one line of text, with seconds since `start`."""
    parts = [f"{event.stamp - start:8.2f} s"]
    if event.track_id:
        parts.append(f"object {event.track_id}")
    parts.append(event.kind.value.replace("_", " "))
    if event.absence:
        parts.append(f"after {event.absence:.2f} s out of view")
    if event.reason:
        parts.append(f"({event.reason})")
    return " ".join(parts)


def _to_text(row: TrackRow) -> tuple[object, ...]:
    edges = (row.box.x0, row.box.y0, row.box.x1, row.box.y1) if row.box else (None,) * 4
    return (
        f"{row.stamp:.9f}",
        row.frame,
        row.id,
        row.label,
        row.state.value,
        f"{row.presence:.4f}",
        f"{row.predicted_iou:.4f}",
        row.area,
        *("" if edge is None else f"{edge:g}" for edge in edges),
    )
