"""Depth is read and masks are lifted for topics with subscribers, and failures cause a warning."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from sam2_ros.media.colours import ObjectColours
from sam2_ros.node import qos
from sam2_ros.node.conversions.depth import CameraInfos, PendingDepth
from sam2_ros.node.conversions.messages import image_message, seconds
from sam2_ros.node.inputs.transforms import Transforms
from sam2_ros.node.outputs.depth import DepthPublishers
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import ProcessedImage, TrackingOutput
from sam2_ros.tracking.types import Box, FrameResult, Track, TrackState

HEADER = Header(stamp=Time(sec=1_700_000_000, nanosec=123_456_789), frame_id="optical")
STAMP = seconds(HEADER.stamp)
SIZE = (6, 8)
INFO = CameraInfo(header=HEADER, k=[10.0, 0.0, 4.0, 0.0, 10.0, 3.0, 0.0, 0.0, 1.0])
INFOS = CameraInfos()
INFOS.add(INFO)
TIMEOUT = 30.0  # seconds


@pytest.fixture
def node(ros: None) -> Iterator[LifecycleNode]:
    node = LifecycleNode("sam2_tracker")
    yield node
    node.destroy_node()


@pytest.fixture
def statistics() -> Statistics:
    return Statistics()


@pytest.fixture
def logged() -> list[str]:
    """What was logged."""
    return []


@pytest.fixture
def publish(
    node: LifecycleNode, statistics: Statistics, logged: list[str], request: pytest.FixtureRequest
) -> Callable[..., Any]:
    """Of outputs in `target_frame`, the parameter of the fixture."""
    logger = SimpleNamespace(warning=lambda text, **_: logged.append(text))
    lifter = Lifter(getattr(request, "param", ""), Transforms(node), statistics, logger)
    outputs = DepthPublishers(node, qos.profile("reliable", 5), lifter, ObjectColours())
    node.trigger_configure()
    node.trigger_activate()
    return outputs.publish


def output(depth: PendingDepth | None) -> TrackingOutput:
    """One object of four pixels."""
    mask = np.zeros(SIZE, bool)
    mask[1:3, 1:3] = True
    track = Track(7, 5, "cup", TrackState.VISIBLE, 0.9, 0.8, mask, Box(1, 1, 3, 3), 4, STAMP)
    image = ProcessedImage(np.full((*SIZE, 3), 200, np.uint8), HEADER, STAMP, depth)
    return TrackingOutput(image, FrameResult(STAMP, 0, SIZE, (track,)), track, ())


def measured(metres: float = 2.0) -> PendingDepth:
    return PendingDepth(HEADER, INFOS, image_message(np.full(SIZE, metres, np.float32), "32FC1", HEADER))


@pytest.mark.parametrize(("kind", "topic"), [(PointCloud2, "~/points"), (Image, "~/target_depth")])
def test_depth_is_read_only_where_a_topic_has_subscribers(
    node: LifecycleNode, publish: Callable[..., Any], kind: type, topic: str
) -> None:
    depth = PendingDepth(HEADER, INFOS)
    publish(output(depth), with_positions=False)
    assert not depth.is_missed
    received: list[Any] = []
    node.create_subscription(kind, topic, received.append, qos.profile("reliable", 10))
    deadline = time.monotonic() + TIMEOUT
    while not received:
        assert time.monotonic() < deadline
        publish(output(measured()), with_positions=False)
        rclpy.spin_once(node, timeout_sec=0.02)
    assert received[0].header == HEADER


def test_objects_are_lifted_by_id(publish: Callable[..., Any], statistics: Statistics) -> None:
    lifted = publish(output(measured()), with_positions=True)
    assert lifted.header == HEADER
    np.testing.assert_allclose(lifted.surfaces[7].centroid, [(1.5 - 4) / 10 * 2, (1.5 - 3) / 10 * 2, 2.0], rtol=1e-6)
    assert statistics.depth_warning == ""


@pytest.mark.parametrize("depth", [None, PendingDepth(HEADER, INFOS)])
def test_without_depth_nothing_is_lifted_or_logged(
    publish: Callable[..., Any], logged: list[str], depth: PendingDepth
) -> None:
    assert publish(output(depth), with_positions=True) is None
    assert logged == []


def test_the_warning_ends_with_valid_depth(
    publish: Callable[..., Any], logged: list[str], statistics: Statistics
) -> None:
    depth = measured()
    assert depth.depth is not None
    depth.depth.encoding = "rgb8"
    assert publish(output(depth), with_positions=True) is None
    assert logged == [statistics.depth_warning] and "depth has encoding 'rgb8'" in logged[0]
    publish(output(measured()), with_positions=True)
    assert statistics.depth_warning == ""


@pytest.mark.parametrize("publish", ["base"], indirect=True)
def test_without_a_transform_there_are_no_positions_and_the_reason_is_logged(
    publish: Callable[..., Any], logged: list[str], statistics: Statistics
) -> None:
    assert publish(output(measured()), with_positions=True) is None
    assert logged == [statistics.depth_warning]
    assert logged[0].startswith("no positions: no transform from 'optical' to 'base'")


@pytest.mark.parametrize("publish", ["optical"], indirect=True)
def test_the_cameras_own_frame_needs_no_transform(publish: Callable[..., Any]) -> None:
    assert publish(output(measured()), with_positions=True).header == HEADER
