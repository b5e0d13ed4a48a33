"""The output files of `sam2_ros track`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from sam2_ros.media.colours import Colour, ObjectColours
from sam2_ros.media.overlay import draw
from sam2_ros.media.table import COLUMNS, CsvWriter, TrackRow, read_csv, rows_of
from sam2_ros.media.timeline import write_timeline
from sam2_ros.media.video import VideoWriter, write_labels
from sam2_ros.tracking import Event, FrameResult

_VIDEO, _TABLE, _TIMELINE, _LABELS = "overlay.mp4", "tracks.csv", "timeline.png", "labels"
_LABEL_FILES = "[0-9]" * 6 + ".png"


class OutputError(ValueError):
    """A folder that results cannot be written to; the message says why and what to do."""


def check_folder(folder: Path, inputs: Iterable[Path]) -> None:
    """Raises OutputError if results in this folder would overwrite an input or unrelated files."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"--out {folder} is a file, expected a folder: choose another name")
    written = {(folder / name).resolve() for name in (_VIDEO, _TABLE, _TIMELINE, _LABELS)}
    for file in inputs:
        targets = {folder.resolve(), (folder / _LABELS).resolve()} if file.is_dir() else written
        if file.resolve() in targets or file.resolve().parent == (folder / _LABELS).resolve():
            raise OutputError(f"results in --out {folder} would overwrite {file}, an input: choose another folder")
    if not _is_earlier_run(folder):
        for name in (_VIDEO, _TABLE, _TIMELINE, _LABELS):
            if (folder / name).is_file() or any((folder / name).glob(_LABEL_FILES)):
                raise OutputError(
                    f"{folder / name} exists and is not from an earlier run: move it, or choose another --out"
                )


def _is_earlier_run(folder: Path) -> bool:
    """Whether the folder has a table: every run writes its header first, or an empty file if the disk is full."""
    try:
        with (folder / _TABLE).open("rb") as table:
            first = table.readline()
    except FileNotFoundError:
        return False
    return first.rstrip() in (b"", ",".join(COLUMNS).encode())


class RunFiles:
    """The files of one run, a context manager; those of an earlier run are deleted first.

    They are complete up to the last frame, however the run ends. Raises OSError or VideoError that name the file.
    """

    def __init__(self, folder: Path, rate: float) -> None:
        """`rate` in frames per second, on average."""
        self._folder = folder
        (folder / _LABELS).mkdir(parents=True, exist_ok=True)
        (folder / _TABLE).unlink(missing_ok=True)  # it may be a symbolic link
        self._table = CsvWriter(folder / _TABLE)
        for old in (folder / _VIDEO, folder / _TIMELINE, *(folder / _LABELS).glob(_LABEL_FILES)):
            old.unlink(missing_ok=True)
        self._video = VideoWriter(folder / _VIDEO, rate)
        self._colours = ObjectColours()
        self._all_colours: dict[int, Colour] = {}  # also of removed objects
        self._events: list[Event] = []

    def __enter__(self) -> RunFiles:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures = []
        for finish in (self._table.close, self._video.close, self._write_timeline):
            try:
                finish()
            except (OSError, ValueError) as failure:
                failures.append(failure)
        if failures and error is None:
            raise failures[0]

    def write(self, rgb: np.ndarray, result: FrameResult) -> None:
        """Write the next frame (H, W, 3) uint8 RGB with its tracks and events."""
        self._events += result.events
        self._colours.update(rgb, result)
        self._all_colours.update(self._colours)
        self._table.write(rows_of(result))
        self._video.write(draw(rgb, result, self._colours), result.stamp)
        write_labels(self._folder / _LABELS / f"{result.index:06d}.png", result.label_image)

    @property
    def rows(self) -> list[TrackRow]:
        """All rows of the table."""
        return list(read_csv(self._folder / _TABLE))

    @property
    def events(self) -> Sequence[Event]:
        """All events."""
        return self._events

    def __str__(self) -> str:
        return f"{self._folder}: {_VIDEO}, {_LABELS}/, {_TABLE}, {_TIMELINE}"

    def _write_timeline(self) -> None:
        write_timeline(self.rows, self._events, self._folder / _TIMELINE, self._all_colours)
