"""Messages of small recordings, and a function that writes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from sam2_ros.recordings.definitions import known_types

STORE = known_types()
TYPES: Mapping[str, Any] = STORE.types  # by their names; they are made at run time
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND + 123_456_789
PERIOD = SECOND // 10
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
DETECTIONS, PROMPT = "vision_msgs/msg/Detection2DArray", "sam2_ros/msg/Prompt"


@dataclass(frozen=True)
class Entry:
    """A message and the time at which it is recorded (nanoseconds)."""

    topic: str
    type: str
    received: int
    message: Any


def header(stamp: int, frame_id: str = "optical") -> Any:
    time = TYPES["builtin_interfaces/msg/Time"](sec=stamp // SECOND, nanosec=stamp % SECOND)
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def image(rgb: np.ndarray, stamp: int) -> Any:
    height, width = rgb.shape[:2]
    return TYPES[IMAGE](
        header=header(stamp),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(rgb).ravel(),
    )


def compressed(rgb: np.ndarray, stamp: int) -> Any:
    data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].ravel()
    return TYPES[COMPRESSED](header=header(stamp), format="rgb8; png compressed bgr8", data=data)


def images(frames: Iterable[np.ndarray], topic: str = "/camera", kind: str = IMAGE) -> list[Entry]:
    """The frames, ten a second, each recorded 5 ms after its stamp."""
    make = image if kind == IMAGE else compressed
    stamps = (START + index * PERIOD for index in range(10**9))
    return [Entry(topic, kind, stamp + 5_000_000, make(rgb, stamp)) for rgb, stamp in zip(frames, stamps)]


def after_gap(entries: Sequence[Entry], first: int, gap: int) -> list[Entry]:
    """The entries, with a gap (nanoseconds) before the one of this number; all after it are as much later."""
    later = []
    for entry in entries[first:]:
        stamp = entry.message.header.stamp
        entry.message.header.stamp = header(stamp.sec * SECOND + stamp.nanosec + gap).stamp
        later.append(replace(entry, received=entry.received + gap))
    return [*entries[:first], *later]


def detections(boxes: Sequence[tuple[float, float, float, float]], stamp: int, label: str = "cup") -> Entry:
    """Boxes as (x0, y0, x1, y1), recorded 50 ms after their image."""
    found = []
    for x0, y0, x1, y1 in boxes:
        position = TYPES["vision_msgs/msg/Point2D"](x=(x0 + x1) / 2, y=(y0 + y1) / 2)
        center = TYPES["vision_msgs/msg/Pose2D"](position=position, theta=0.0)
        bbox = TYPES["vision_msgs/msg/BoundingBox2D"](center=center, size_x=x1 - x0, size_y=y1 - y0)
        hypothesis = TYPES["vision_msgs/msg/ObjectHypothesis"](class_id=label, score=0.9)
        zeros = {"x": 0.0, "y": 0.0, "z": 0.0}
        pose = TYPES["geometry_msgs/msg/Pose"](
            position=TYPES["geometry_msgs/msg/Point"](**zeros),
            orientation=TYPES["geometry_msgs/msg/Quaternion"](**zeros, w=1.0),
        )
        result = TYPES["vision_msgs/msg/ObjectHypothesisWithPose"](
            hypothesis=hypothesis,
            pose=TYPES["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36)),
        )
        found.append(TYPES["vision_msgs/msg/Detection2D"](header=header(stamp), results=[result], bbox=bbox, id=""))
    message = TYPES[DETECTIONS](header=header(stamp), detections=found)
    return Entry("/detections", DETECTIONS, stamp + 50_000_000, message)


def prompt(
    clicks: Sequence[tuple[float, float]],
    received: int,
    stamp: int = 0,
    object_id: int = 0,
    label: str = "",
    topic: str = "/sam2_tracker/prompt",
) -> Entry:
    """What was published on ~/prompt, or on another topic of this type."""
    no_image = TYPES[IMAGE](header(0), 0, 0, "", 0, 0, np.zeros(0, np.uint8))
    message = TYPES[PROMPT](
        header=header(stamp),
        object_id=object_id,
        label=label,
        clicks=[TYPES["sam2_ros/msg/Click"](x=x, y=y, positive=True) for x, y in clicks],
        has_box=False,
        box=TYPES["sam2_ros/msg/Box"](0.0, 0.0, 0.0, 0.0),
        mask=no_image,
    )
    return Entry(topic, PROMPT, received, message)


def write_recording(
    folder: Path,
    *entries: Entry,
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
) -> Path:
    """Write entries in order of time."""
    writer = Writer(folder, version=8, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=STORE)
            for topic, kind in {entry.topic: entry.type for entry in entries}.items()
        }
        for entry in sorted(entries, key=lambda entry: entry.received):
            writer.write(connections[entry.topic], entry.received, STORE.serialize_cdr(entry.message, entry.type))
    return folder
