"""Label Studio: `label_studio.json`, tasks with pre-annotations, and `label_studio.xml`, the labelling interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from sam2_ros.files import replacing
from sam2_ros.media.pictures import write_whole
from sam2_ros.tracking import Track

from .common import UNNAMED, Classes, Labelled, Origin, Spool
from .polygons import polygons_of

TASKS, INTERFACE = "label_studio.json", "label_studio.xml"

# What can be drawn; polygons are what is written.
_TAGS = {"label": "PolygonLabels", "brush": "BrushLabels", "box": "RectangleLabels", "point": "KeyPointLabels"}


class LabelStudioOutput:
    """One task for each frame; its picture is served as a local file of Label Studio."""

    def __init__(self, folder: Path, workspace: Path, origin: Origin) -> None:
        self._folder = folder
        self._origin = origin
        self._tasks = Spool(workspace / "label_studio_tasks.json")
        self._classes = Classes(first=0)

    def write(self, labelled: Labelled) -> None:
        """Append a frame."""
        frame = labelled.frame
        regions = [region for track in labelled.visible for region in self._regions(track, frame.rgb.shape[:2])]
        scores = [track.predicted_iou for track in labelled.visible]
        prediction = {"model_version": "sam2_ros", "score": round(min(scores, default=0.0), 4), "result": regions}
        data = {
            "image": f"/data/local-files/?d={self._origin.served_as}/{labelled.picture}",
            "recording": self._origin.recording,
            "topic": self._origin.topic,
            "frame": frame.index,
            "stamp": str(frame.stamp),
        }
        self._tasks.append({"data": data, "predictions": [prediction]})

    def close(self) -> None:
        """Complete the files."""
        with replacing(self._folder / TASKS) as partial, partial.open("w", encoding="utf-8") as file:
            file.writelines(self._tasks.pieces())
        self._tasks.close()
        labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in self._classes.names)
        tags = "".join(f'  <{tag} name="{name}" toName="image">\n{labels}  </{tag}>\n' for name, tag in _TAGS.items())
        interface = f'<View>\n  <Image name="image" value="$image"/>\n{tags}</View>\n'
        write_whole(self._folder / INTERFACE, interface.encode())

    def _regions(self, track: Track, size: tuple[int, int]) -> list[dict[str, Any]]:
        """A polygon for each part of the mask, in percent of the image."""
        height, width = size
        self._classes.number(track)
        return [
            {
                "id": f"object_{track.id}_{number}",
                "type": "polygonlabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "score": round(track.predicted_iou, 4),
                "meta": {"text": [f"object {track.id}"]},
                "value": {
                    "points": np.round(100 * polygon / np.array([width, height]), 4).tolist(),
                    "polygonlabels": [track.label or UNNAMED],
                    "closed": True,
                },
            }
            for number, polygon in enumerate(polygons_of(track.mask))
        ]
