"""Writes the visible surfaces of objects as sensor_msgs/PointCloud2."""

from __future__ import annotations

import array
from collections.abc import Mapping

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from sam2_ros.depth.lifting import Surface

# The fields of PCL's PointXYZRGBL: rgb is 0x00rrggbb in the bits of a float32, label the id of the track.
_POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4"), ("label", "<u4")])
_FIELDS = [
    PointField(name=name, offset=4 * i, datatype=PointField.UINT32 if name == "label" else PointField.FLOAT32, count=1)
    for i, name in enumerate(("x", "y", "z", "rgb", "label"))
]


def cloud_message(surfaces: Mapping[int, Surface], rgb: np.ndarray, header: Header) -> PointCloud2:
    """The surfaces by track id, coloured by their image (H, W, 3) uint8."""
    points = np.empty(sum(len(surface.points) for surface in surfaces.values()), _POINT)
    start = 0
    for track_id, surface in surfaces.items():
        part = points[start : start + len(surface.points)]
        part["x"], part["y"], part["z"] = surface.points.T
        red, green, blue = rgb[surface.window][surface.valid].astype(np.uint32).T
        part["rgb"] = red << 16 | green << 8 | blue
        part["label"] = track_id
        start += len(part)
    data = array.array("B")  # the only type that the setter accepts without checking every byte
    data.frombytes(points.data.cast("B") if len(points) else b"")
    return PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=_FIELDS,
        point_step=_POINT.itemsize,
        row_step=points.nbytes,
        is_dense=True,
        data=data,
    )
