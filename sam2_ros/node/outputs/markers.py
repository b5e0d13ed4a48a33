"""Markers for RViz: a box around each object's visible surface, and a caption above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from sam2_ros.depth.lifting import Surface
from sam2_ros.media.colours import Colour
from sam2_ros.media.overlay import describe
from sam2_ros.node.types import LiftedObjects
from sam2_ros.tracking.types import FrameResult

_BOXES, _CAPTIONS = "boxes", "captions"  # marker namespaces, which RViz can hide separately
_VISIBLE_ALPHA, _LAST_SEEN_ALPHA = 0.5, 0.15  # opacity of a box
_MIN_SIZE = 0.005  # of a box, metres; RViz does not draw boxes without thickness
_MIN_TEXT, _MAX_TEXT = 0.02, 0.2  # height of a capital letter, metres
_UP_IN_IMAGE, _UP = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])  # in optical frames and in others, REP 103


@dataclass(frozen=True)
class SurfaceBox:
    """The axis-aligned box around an object's surface in a frame (metres)."""

    frame_id: str
    centre: np.ndarray  # (3,)
    size: np.ndarray  # (3,)

    @classmethod
    def of(cls, surface: Surface, header: Header) -> SurfaceBox:
        """The box around a surface with this header."""
        return cls(header.frame_id, (surface.points.min(axis=0) + surface.points.max(axis=0)) / 2, surface.extent)


class Markers:
    """Keeps the last position of each tracked object, where it is drawn transparent while it is not visible."""

    def __init__(self, colours: Mapping[int, Colour]) -> None:
        """`colours` by track id, for every track of the results."""
        self._colours = colours
        self._last_boxes: dict[int, SurfaceBox] = {}

    def update(self, result: FrameResult, header: Header, lifted: LiftedObjects | None) -> MarkerArray:
        """Markers of all tracked objects that have been lifted, and deletions of the removed ones."""
        removed = set(self._last_boxes) - {track.id for track in result.tracks}
        markers = [_deletion(namespace, track_id, header) for track_id in removed for namespace in (_BOXES, _CAPTIONS)]
        for track_id in removed:
            del self._last_boxes[track_id]
        visible = {} if lifted is None else {i: SurfaceBox.of(s, lifted.header) for i, s in lifted.surfaces.items()}
        self._last_boxes |= visible
        for track in result.tracks:
            if surface_box := self._last_boxes.get(track.id):
                text = describe(track, result.stamp)
                markers.extend(
                    _box_and_caption(track.id, self._colours[track.id], text, surface_box, header, track.id in visible)
                )
        return MarkerArray(markers=markers)


def _box_and_caption(
    track_id: int, colour: Colour, text: str, surface_box: SurfaceBox, header: Header, is_visible: bool
) -> Iterator[Marker]:
    at = Header(stamp=header.stamp, frame_id=surface_box.frame_id)
    red, green, blue = (value / 255 for value in colour)
    box = Marker(header=at, ns=_BOXES, id=track_id, type=Marker.CUBE, action=Marker.ADD)
    box.pose = _pose(surface_box.centre)
    box.scale = Vector3(**_xyz(np.maximum(surface_box.size, _MIN_SIZE)))
    box.color = ColorRGBA(r=red, g=green, b=blue, a=_VISIBLE_ALPHA if is_visible else _LAST_SEEN_ALPHA)
    yield box
    up = _UP_IN_IMAGE if surface_box.frame_id == header.frame_id else _UP
    height = float(np.clip(surface_box.size.max() / 4, _MIN_TEXT, _MAX_TEXT))
    caption = Marker(header=at, ns=_CAPTIONS, id=track_id, type=Marker.TEXT_VIEW_FACING, action=Marker.ADD, text=text)
    caption.pose = _pose(surface_box.centre + up * (surface_box.size @ np.abs(up) / 2 + height))
    caption.scale = Vector3(z=height)
    caption.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    yield caption


def _deletion(namespace: str, track_id: int, header: Header) -> Marker:
    return Marker(header=header, ns=namespace, id=track_id, action=Marker.DELETE)


def _pose(position: np.ndarray) -> Pose:
    pose = Pose(position=Point(**_xyz(position)))
    pose.orientation.w = 1.0
    return pose


def _xyz(vector: np.ndarray) -> dict[str, float]:
    return dict(zip("xyz", map(float, vector)))
