"""Message types that recordings are read and written with. Needs rosbags."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

# vision_msgs 4, which bags of ROS 2 Humble do not describe themselves
_VISION_MSGS = {
    "Point2D": "float64 x\nfloat64 y",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose",
    "Detection2D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
    "vision_msgs/BoundingBox2D bbox\nstring id",
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
}
_IDL_SEPARATOR = "=" * 80 + "\n"


class UnknownTypeError(ValueError):
    """A message type without a usable definition; the message says which and what to do."""


@cache
def known_types() -> Typestore:
    """ROS 2's common types, vision_msgs' detections and this package's own."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in _VISION_MSGS.items():
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    types = {}
    for file in sorted(_message_folder().glob("*.msg")):
        types.update(get_types_from_msg(file.read_text(), f"sam2_ros/msg/{file.stem}"))
    store.register(types)
    return store


def types_of(connection: Connection) -> Typestore:
    """The types with which a bag's topic is read: as the bag defines them, or the known ones where it does not.

    Raises UnknownTypeError.
    """
    reason = "the bag does not hold its definition"
    if connection.msgdef.format is not MessageDefinitionFormat.NONE:
        store = get_typestore(Stores.EMPTY)
        try:
            store.register(_parsed(connection))
            store.generate_msgdef(connection.msgtype)  # fails where a part of it is missing
        except (TypesysError, KeyError, AssertionError) as error:
            reason = f"the bag's definition of it cannot be used ({error})"
        else:
            return store
    if connection.msgtype in known_types().fielddefs:
        return known_types()
    raise UnknownTypeError(
        f"topic {connection.topic} has the unknown type {connection.msgtype}: {reason}; record it as MCAP, which "
        "stores definitions"
    )


def _parsed(connection: Connection) -> dict[str, Any]:
    text, name = connection.msgdef.data, connection.msgtype
    if connection.msgdef.format is MessageDefinitionFormat.MSG:
        return dict(get_types_from_msg(text, name))
    if not text.startswith(f"{_IDL_SEPARATOR}IDL: "):
        return dict(get_types_from_idl(text))
    types = {}
    for part in text.split(_IDL_SEPARATOR)[1:]:
        types.update(get_types_from_idl(part.partition("\n")[2]))
    return types


def _message_folder() -> Path:
    """Where this package's msg/ is: beside the sources, or in the share folder of a ROS installation."""
    for parent in Path(__file__).resolve().parents:
        for folder in (parent / "msg", parent / "share" / "sam2_ros" / "msg"):
            if (folder / "TrackArray.msg").is_file():
                return folder
    raise UnknownTypeError("sam2_ros' definitions msg/*.msg are not found: install from a checkout, or by colcon")
