"""Tracks in RViz: a box around each object's visible surface, and a caption above it."""

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

_BOXES, _CAPTIONS = "boxes", "captions"  # namespaces, which RViz can hide one by one
_SOLID, _FADED = 0.5, 0.15  # opacity of a box
_THINNEST = 0.005  # metres of a box; RViz refuses to draw one that has no thickness
_SMALLEST, _LARGEST = 0.02, 0.2  # metres of a capital letter
_UP_IN_IMAGE, _UP = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])  # in optical and in other frames, REP 103


@dataclass(frozen=True)
class Sighting:
    """Where an object was seen: the box around its surface, along the axes of its frame (metres)."""

    frame_id: str
    centre: np.ndarray  # (3,)
    size: np.ndarray  # (3,)

    @classmethod
    def of(cls, surface: Surface, header: Header) -> Sighting:
        """The box around a surface of this header."""
        return cls(header.frame_id, (surface.points.min(axis=0) + surface.points.max(axis=0)) / 2, surface.extent)


class Markers:
    """Remembers where each object that is followed was last seen; there it stays, faded, while it is not."""

    def __init__(self, colours: Mapping[int, Colour]) -> None:
        """`colours` has every track of the results by its id."""
        self._colours = colours
        self._sightings: dict[int, Sighting] = {}

    def update(self, result: FrameResult, header: Header, lifted: LiftedObjects | None) -> MarkerArray:
        """All objects that were ever seen in 3-D, on the image of this header; objects that are gone are deleted."""
        gone = set(self._sightings) - {track.id for track in result.tracks}
        markers = [_deletion(namespace, track_id, header) for track_id in gone for namespace in (_BOXES, _CAPTIONS)]
        for track_id in gone:
            del self._sightings[track_id]
        seen = {} if lifted is None else {i: Sighting.of(s, lifted.header) for i, s in lifted.surfaces.items()}
        self._sightings |= seen
        for track in result.tracks:
            if sighting := self._sightings.get(track.id):
                text = describe(track, result.stamp)
                markers.extend(_drawn(track.id, self._colours[track.id], text, sighting, header, track.id in seen))
        return MarkerArray(markers=markers)


def _drawn(
    track_id: int, colour: Colour, text: str, sighting: Sighting, header: Header, is_fresh: bool
) -> Iterator[Marker]:
    """Box and caption of an object."""
    at = Header(stamp=header.stamp, frame_id=sighting.frame_id)
    red, green, blue = (value / 255 for value in colour)
    box = Marker(header=at, ns=_BOXES, id=track_id, type=Marker.CUBE, action=Marker.ADD)
    box.pose = _pose(sighting.centre)
    box.scale = Vector3(**_xyz(np.maximum(sighting.size, _THINNEST)))
    box.color = ColorRGBA(r=red, g=green, b=blue, a=_SOLID if is_fresh else _FADED)
    yield box
    up = _UP_IN_IMAGE if sighting.frame_id == header.frame_id else _UP
    height = float(np.clip(sighting.size.max() / 4, _SMALLEST, _LARGEST))
    caption = Marker(header=at, ns=_CAPTIONS, id=track_id, type=Marker.TEXT_VIEW_FACING, action=Marker.ADD, text=text)
    caption.pose = _pose(sighting.centre + up * (sighting.size @ np.abs(up) / 2 + height))
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
