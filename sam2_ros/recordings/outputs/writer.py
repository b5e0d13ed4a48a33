"""The output folder of one stream, in all formats that are asked for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import cv2

from sam2_ros.media.pictures import write_picture
from sam2_ros.optional import require
from sam2_ros.tracking import FrameResult

from ..problems import Problems
from ..streams import Frame
from .common import Labelled, Origin, Output
from .davis import DavisOutput
from .label_studio import LabelStudioOutput
from .thinning import Thinning
from .yolo import YoloOutput

if TYPE_CHECKING:
    from .mcap import McapOutput

FORMATS = ("mcap", "coco", "yolo", "davis", "label-studio")
WITH_PICTURES = {"coco", "yolo", "label-studio"}
IMAGES, WORKSPACE = "images", ".unfinished"

# Everything that a run may leave in its folder
NAMES = (
    *("tracks.mcap", "coco.json", "labels", "data.yaml", "davis", "label_studio.json", "label_studio.xml"),
    *("report.csv", "report.png"),
    *(IMAGES, WORKSPACE),
)


class LabelWriter:
    """A context manager; files of an earlier run are deleted first. However it ends, files are completed.

    Raises OSError that names the file, MissingLibraryError.
    """

    def __init__(
        self, folder: Path, formats: Sequence[str], origin: Origin, thinning: Thinning, problems: Problems
    ) -> None:
        clear(folder)
        self._folder = folder
        self._thinning = thinning
        workspace = folder / WORKSPACE
        workspace.mkdir(parents=True)
        self._has_pictures = bool(WITH_PICTURES & set(formats))
        if self._has_pictures:
            (folder / IMAGES).mkdir()
        self._mcap: McapOutput | None = None
        self._outputs: list[Output] = []
        if "mcap" in formats:
            require("rosbags.rosbag2", "--format mcap", "recordings")
            from .mcap import McapOutput

            self._mcap = McapOutput(folder, workspace)
        if "coco" in formats:
            require("pycocotools.mask", "--format coco", "recordings")
            from .coco import CocoOutput

            self._outputs.append(CocoOutput(folder, workspace))
        if "yolo" in formats:
            self._outputs.append(YoloOutput(folder))
        if "davis" in formats:
            self._outputs.append(DavisOutput(folder, origin.name, problems))
        if "label-studio" in formats:
            self._outputs.append(LabelStudioOutput(folder, workspace, origin))

    def __enter__(self) -> LabelWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures = []
        for output in [*filter(None, [self._mcap]), *self._outputs]:
            try:
                output.close()
            except OSError as failure:
                failures.append(failure)
        if not failures:
            shutil.rmtree(self._folder / WORKSPACE)
        elif error is None:
            raise failures[0]

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Append a frame, unless it is thinned out; its events are always written."""
        labelled = Labelled(frame, result)
        if self._mcap:
            self._mcap.write_events(labelled)
        if not self._thinning.wants(result):
            return
        if self._mcap:
            self._mcap.write(labelled)
        if self._has_pictures:
            labelled = replace(labelled, picture=f"{IMAGES}/{frame.index:06d}.jpg")
            write_picture(self._folder / labelled.picture, cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
        for output in self._outputs:
            output.write(labelled)


def clear(folder: Path) -> None:
    """Delete what an earlier run has left."""
    for name in NAMES:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
