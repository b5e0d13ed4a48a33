"""Surfaces are written as clouds for PCL and RViz."""

from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from sam2_ros.depth.lifting import DepthImage, Intrinsics, lift
from sam2_ros.node.conversions.clouds import cloud_message

HEADER = Header(stamp=Time(sec=1, nanosec=2), frame_id="optical")
KINDS = {PointField.FLOAT32: "<f4", PointField.UINT32: "<u4"}


def points_of(message: PointCloud2) -> np.ndarray:
    """The points as a structured array, by what the message says of itself."""
    layout: Any = {
        "names": [field.name for field in message.fields],
        "formats": [KINDS[field.datatype] for field in message.fields],
        "offsets": [field.offset for field in message.fields],
        "itemsize": message.point_step,
    }
    assert len(message.data) == message.row_step * message.height == message.point_step * message.width
    return np.frombuffer(message.data, np.dtype(layout))


def test_every_point_has_its_position_colour_and_track_id() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    masks = {7: np.zeros((20, 30), bool), 300: np.zeros((20, 30), bool)}
    masks[7][2:8, 3:10] = masks[300][10:15, 20:30] = True
    depth = DepthImage(np.linspace(1, 1.01, 600, dtype=np.float32).reshape(20, 30), Intrinsics(10.0, 10.0, 15.0, 10.0))
    surfaces = {track_id: surface for track_id, mask in masks.items() if (surface := lift(mask, depth))}
    assert len(surfaces) == 2
    message = cloud_message(surfaces, rgb, HEADER)
    assert (message.header, message.height, message.is_dense, message.is_bigendian) == (HEADER, 1, True, False)
    points = points_of(message)
    for track_id, mask in masks.items():
        mine = points[points["label"] == track_id]
        v, u = np.nonzero(mask)
        np.testing.assert_allclose(mine["x"], (u - 15.0) / 10 * depth.pixels[mask], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(mine["y"], (v - 10.0) / 10 * depth.pixels[mask], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(mine["z"], depth.pixels[mask])
        packed = mine["rgb"].view(np.uint32)
        colours = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)
        np.testing.assert_array_equal(colours, rgb[mask])


def test_without_objects_the_cloud_is_empty_with_all_fields() -> None:
    message = cloud_message({}, np.zeros((20, 30, 3), np.uint8), HEADER)
    assert len(points_of(message)) == 0
    assert [field.name for field in message.fields] == ["x", "y", "z", "rgb", "label"]
