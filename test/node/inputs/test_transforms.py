"""Transforms from real tf2, as matrices."""

import sys
import time
from collections.abc import Iterator
from math import pi
from typing import Any

import numpy as np
import pytest
import rclpy
import tf2_ros
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from sam2_ros.node.inputs.transforms import Transforms, TransformUnavailableError, matrix_of

pytestmark = pytest.mark.distribution

TIMEOUT = 30.0  # seconds
QUARTER_TURN = Rotation.from_euler("z", pi / 2)


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    node = rclpy.create_node("looks_up")
    yield node
    node.destroy_node()


@pytest.fixture
def transforms(node: Node) -> Iterator[Transforms]:
    transforms = Transforms(node)
    yield transforms
    transforms.close()


def transform(seconds: int, x: float, rotation: Rotation = QUARTER_TURN, child: str = "camera") -> TransformStamped:
    """The child `x` metres along the x axis of `base`, turned."""
    qx, qy, qz, qw = rotation.as_quat()
    return TransformStamped(
        header=Header(stamp=Time(sec=seconds), frame_id="base"),
        child_frame_id=child,
        transform=Transform(translation=Vector3(x=x), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)),
    )


def received(node: Node, transforms: Transforms, source: str, stamp: Time) -> np.ndarray:
    """The transform to `base`, as soon as tf2 has it."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        rclpy.spin_once(node, timeout_sec=0.05)
        try:
            return transforms.lookup("base", source, stamp)
        except TransformUnavailableError:
            if time.monotonic() > deadline:
                raise


def test_a_transform_is_the_matrix_from_source_to_target_frame() -> None:
    matrix = matrix_of(transform(0, x=3.0))
    np.testing.assert_allclose(matrix @ [1.0, 0.0, 0.5, 1.0], [3.0, 1.0, 0.5, 1.0], atol=1e-12)


def broadcaster_to(node: Node, transforms: Transforms) -> Any:
    """A tf2_ros.TransformBroadcaster to which the transforms are subscribed."""
    transforms.open()
    broadcaster = tf2_ros.TransformBroadcaster(node)
    deadline = time.monotonic() + TIMEOUT
    while node.count_publishers("/tf") * node.count_subscribers("/tf") == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return broadcaster


def test_a_moving_frame_is_looked_up_at_the_stamp(node: Node, transforms: Transforms) -> None:
    broadcaster = broadcaster_to(node, transforms)
    broadcaster.sendTransform([transform(100, x=1.0), transform(102, x=2.0)])
    matrix = received(node, transforms, "camera", Time(sec=101))
    np.testing.assert_allclose(matrix[:3, 3], [1.5, 0.0, 0.0])
    with pytest.raises(TransformUnavailableError, match="future"):
        transforms.lookup("base", "camera", Time(sec=103))


def test_after_a_reset_older_stamps_are_accepted(node: Node, transforms: Transforms) -> None:
    broadcaster = broadcaster_to(node, transforms)
    deadline = time.monotonic() + TIMEOUT
    for seconds in range(100, 120):
        broadcaster.sendTransform(transform(seconds, x=1.0))
    received(node, transforms, "camera", Time(sec=100))  # the others are still to come
    transforms.reset()
    while True:
        broadcaster.sendTransform([transform(10, x=3.0), transform(12, x=3.0)])
        rclpy.spin_once(node, timeout_sec=0.05)
        try:
            matrix = transforms.lookup("base", "camera", Time(sec=11))
            break
        except TransformUnavailableError:
            assert time.monotonic() < deadline
    np.testing.assert_allclose(matrix[:3, 3], [3.0, 0.0, 0.0])


def test_static_transforms_are_available_at_every_stamp_and_after_a_reset(node: Node, transforms: Transforms) -> None:
    transforms.open()
    broadcaster = tf2_ros.StaticTransformBroadcaster(node)
    broadcaster.sendTransform(transform(100, x=0.25, child="left_eye"))
    received(node, transforms, "left_eye", Time(sec=5))
    transforms.reset()
    matrix = received(node, transforms, "left_eye", Time(sec=900))
    np.testing.assert_allclose(matrix, matrix_of(transform(100, x=0.25)), atol=1e-12)


def test_tf2s_error_is_passed_on(node: Node, transforms: Transforms) -> None:
    transforms.open()
    with pytest.raises(TransformUnavailableError, match=r"from 'camera' to 'map'.*does not exist"):
        transforms.lookup("map", "camera", Time())


def test_the_transform_of_a_frame_to_itself_is_the_identity(transforms: Transforms) -> None:
    np.testing.assert_array_equal(transforms.lookup("camera", "camera", Time()), np.eye(4))


def test_without_tf2_ros_the_package_is_reported(monkeypatch: pytest.MonkeyPatch, transforms: Transforms) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    transforms.open()
    with pytest.raises(TransformUnavailableError, match="ROS package tf2_ros cannot be imported"):
        transforms.lookup("map", "camera", Time())


def test_no_subscriptions_are_left_after_close(node: Node, transforms: Transforms) -> None:
    before = len(list(node.subscriptions)), len(list(node.services))
    transforms.open()
    transforms.open()
    transforms.close()
    assert (len(list(node.subscriptions)), len(list(node.services))) == before
