"""`tracks.mcap`: a recording of what the node would have published. Needs rosbags.

A message is recorded at the time at which its image was, so that both recordings can be played side by side; its header
has the image's own stamp.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from sam2_ros.files import named_errors
from sam2_ros.tracking import Event, Track

from ..definitions import known_types
from ..streams import Frame
from .common import Labelled

FILE = "tracks.mcap"
TRACKS, MASKS, EVENTS = "/sam2_tracker/tracks", "/sam2_tracker/masks/compressed", "/sam2_tracker/events"

_NANOSECONDS = 1_000_000_000
_TYPES = {
    TRACKS: "sam2_ros/msg/TrackArray",
    MASKS: "sensor_msgs/msg/CompressedImage",
    EVENTS: "sam2_ros/msg/TrackEvent",
}


class McapOutput:
    """~/tracks, ~/masks/compressed (PNG, the objects' mask values) and ~/events of the node."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self._file = folder / FILE
        self._bag = workspace / "tracks"  # rosbags writes a folder
        self._store = known_types()
        self._writer = Writer(self._bag, version=8, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._connections = {
            topic: self._writer.add_connection(topic, kind, typestore=self._store) for topic, kind in _TYPES.items()
        }
        self._last_seen: dict[int, int] = {}  # stamp by track id

    def write(self, labelled: Labelled) -> None:
        """Append the tracks and masks of a frame."""
        frame, result = labelled.frame, labelled.result
        height, width = result.size
        tracks = [self._track(track) for track in sorted(result.tracks, key=lambda track: track.id)]
        self._append(
            TRACKS,
            frame,
            self._message(
                "sam2_ros/msg/TrackArray",
                header=self._header(frame),
                image_height=height,
                image_width=width,
                tracks=tracks,
                position_frame="",
            ),
        )
        png = cv2.imencode(".png", result.label_image)[1].ravel()
        masks = self._message(_TYPES[MASKS], header=self._header(frame), format="mono8; png compressed mono8", data=png)
        self._append(MASKS, frame, masks)

    def write_events(self, labelled: Labelled) -> None:
        """Append the events of a frame; called for every frame, before `write`."""
        self._note_seen(labelled)
        labels = {track.id: track.label for track in labelled.result.tracks}
        for event in labelled.result.events:
            self._append(EVENTS, labelled.frame, self._event(event, labelled.frame, labels.get(event.track_id, "")))

    def close(self) -> None:
        """Complete the file; where that fails, what has been written of it stays."""
        written = self._bag / f"{self._bag.name}.mcap"
        try:
            with named_errors(self._file):
                self._writer.close()
        except BaseException:
            with suppress(Exception):
                self._writer.abort()
            written.replace(self._file)
            raise
        written.replace(self._file)
        shutil.rmtree(self._bag)

    def _append(self, topic: str, frame: Frame, message: Any) -> None:
        connection = self._connections[topic]
        data = self._store.serialize_cdr(message, connection.msgtype)
        with named_errors(self._file):
            self._writer.write(connection, frame.received, data)

    def _note_seen(self, labelled: Labelled) -> None:
        earlier = self._last_seen
        self._last_seen = {
            track.id: labelled.frame.stamp if track.area else earlier.get(track.id, labelled.frame.stamp)
            for track in labelled.result.tracks
        }

    def _message(self, kind: str, **fields: Any) -> Any:
        return self._store.types[kind](**fields)

    def _time(self, stamp: int) -> Any:
        sec, nanosec = divmod(stamp, _NANOSECONDS)
        return self._message("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)

    def _header(self, frame: Frame) -> Any:
        return self._message("std_msgs/msg/Header", stamp=self._time(frame.stamp), frame_id=frame.frame_id)

    def _track(self, track: Track) -> Any:
        zero = {"x": 0.0, "y": 0.0, "z": 0.0}
        edges = (track.box.x0, track.box.y0, track.box.x1, track.box.y1) if track.box else (0.0,) * 4
        no_image = self._message(
            "sensor_msgs/msg/Image",
            header=self._message("std_msgs/msg/Header", stamp=self._time(0), frame_id=""),
            height=0,
            width=0,
            encoding="",
            is_bigendian=0,
            step=0,
            data=np.zeros(0, np.uint8),
        )
        return self._message(
            "sam2_ros/msg/Track",
            id=track.id,
            mask_value=track.mask_value,
            label=track.label,
            state=getattr(self._store.types["sam2_ros/msg/Track"], track.state.name),
            presence=track.presence,
            predicted_iou=track.predicted_iou,
            box=self._message("sam2_ros/msg/Box", **dict(zip(("x_min", "y_min", "x_max", "y_max"), map(float, edges)))),
            area=track.area,
            last_seen=self._time(self._last_seen[track.id]),
            mask=no_image,
            has_position=False,
            position=self._message("geometry_msgs/msg/Point", **zero),
            extent=self._message("geometry_msgs/msg/Vector3", **zero),
        )

    def _event(self, event: Event, frame: Frame, label: str) -> Any:
        kind = "sam2_ros/msg/TrackEvent"
        return self._message(
            kind,
            header=self._header(frame),
            type=getattr(self._store.types[kind], event.kind.name),
            object_id=event.track_id,
            label=label,
            absence=float(event.absence),
            reason=event.reason,
        )
