"""Markers for RViz: a box at each track's last position, with a caption."""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Vector3
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from sam2_ros.depth.lifting import Surface
from sam2_ros.media.colours import ObjectColours
from sam2_ros.node import qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.depth import CameraInfos, PendingDepth
from sam2_ros.node.inputs.transforms import Transforms
from sam2_ros.node.outputs.depth import DepthPublishers
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.outputs.markers import Markers
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import LiftedObjects, ProcessedImage, TrackingOutput
from sam2_ros.tracking.types import Box, FrameResult, Track, TrackState

HEADER = Header(stamp=Time(sec=1_700_000_000, nanosec=123_456_789), frame_id="optical")
STAMP = messages.seconds(HEADER.stamp)
TIMEOUT = 30.0  # seconds
SIZE = (6, 8)  # (H, W) pixels
MASK = np.zeros(SIZE, bool)
MASK[1:3, 1:5] = True
CUP = Track(
    id=1,
    mask_value=5,
    label="cup",
    state=TrackState.VISIBLE,
    presence=0.9,
    predicted_iou=0.8,
    mask=MASK,
    box=Box(1, 1, 5, 3),
    area=8,
    last_seen=STAMP,
)
MUG = replace(CUP, id=2, mask_value=6, label="", presence=0.8)
LOST_CUP = replace(
    CUP, state=TrackState.LOST, presence=0.1, mask=np.zeros(SIZE, bool), box=None, area=0, last_seen=STAMP - 2.5
)

COLOURS = {1: (230, 159, 0), 2: (0, 240, 255)}

CORNERS = np.array([[-0.1, -0.2, 1.0], [0.1, 0.2, 1.06], [0.1, 0.2, 1.06]], np.float32)


def result(*tracks: Track) -> FrameResult:
    return FrameResult(STAMP, 0, SIZE, tracks)


def lifted(*ids: int, frame_id: str = "optical", shift: float = 0.0) -> LiftedObjects:
    everything = np.s_[:, :]
    surfaces = {i: Surface(CORNERS + np.float32(shift), everything, MASK) for i in ids}
    return LiftedObjects(Header(stamp=HEADER.stamp, frame_id=frame_id), surfaces)


def drawn(message: MarkerArray, namespace: str) -> dict[int, Marker]:
    """What is added in a namespace, by id."""
    return {m.id: m for m in message.markers if (m.ns, m.action) == (namespace, Marker.ADD)}


def deleted(message: MarkerArray) -> set[tuple[str, int]]:
    return {(m.ns, m.id) for m in message.markers if m.action == Marker.DELETE}


def xyz(message: Point | Vector3) -> list[float]:
    return [message.x, message.y, message.z]


def test_a_box_encloses_the_visible_surface_in_the_colour_of_the_overlay() -> None:
    box = drawn(Markers(COLOURS).update(result(CUP), HEADER, lifted(1)), "boxes")[1]
    assert box.header == HEADER
    assert box.type == Marker.CUBE
    np.testing.assert_allclose(xyz(box.pose.position), [0.0, 0.0, 1.03], atol=1e-6)
    np.testing.assert_allclose(xyz(box.scale), [0.2, 0.4, 0.06], atol=1e-6)
    assert box.pose.orientation.w == 1.0
    assert [round(255 * v) for v in (box.color.r, box.color.g, box.color.b)] == list(COLOURS[1])


def test_a_caption_contains_id_label_and_state() -> None:
    captions = drawn(Markers(COLOURS).update(result(CUP, MUG), HEADER, lifted(1, 2)), "captions")
    assert captions[1].type == Marker.TEXT_VIEW_FACING
    assert captions[1].text.split() == ["1", "cup", "visible", "0.90"]
    assert captions[2].text.split() == ["2", "visible", "0.80"]


@pytest.mark.parametrize(("frame_id", "axis", "sign"), [("optical", 1, -1.0), ("base_link", 2, 1.0)])
def test_the_caption_is_above_the_box_whichever_axis_points_up(frame_id: str, axis: int, sign: float) -> None:
    message = Markers(COLOURS).update(result(CUP), HEADER, lifted(1, frame_id=frame_id))
    box, caption = drawn(message, "boxes")[1], drawn(message, "captions")[1]
    above = np.subtract(xyz(caption.pose.position), xyz(box.pose.position))
    assert sign * above[axis] > xyz(box.scale)[axis] / 2
    assert np.count_nonzero(above) == 1
    assert (box.header.frame_id, caption.header.frame_id) == (frame_id, frame_id)


def test_a_lost_object_stays_at_its_last_position_transparent_with_its_seconds_of_absence() -> None:
    markers = Markers(COLOURS)
    before = drawn(markers.update(result(CUP), HEADER, lifted(1)), "boxes")[1]
    now = markers.update(result(LOST_CUP), HEADER, lifted())
    box = drawn(now, "boxes")[1]
    assert (box.pose, box.scale) == (before.pose, before.scale)
    assert 0.0 < box.color.a < before.color.a
    assert drawn(now, "captions")[1].text.split() == ["1", "cup", "lost", "2.5", "s"]


def test_without_depth_markers_stay_in_their_last_frame() -> None:
    markers = Markers(COLOURS)
    markers.update(result(CUP), HEADER, lifted(1, frame_id="base_link"))
    box = drawn(markers.update(result(CUP), HEADER, None), "boxes")[1]
    assert (box.header.frame_id, box.header.stamp) == ("base_link", HEADER.stamp)


def test_markers_move_with_their_object() -> None:
    markers = Markers(COLOURS)
    markers.update(result(CUP), HEADER, lifted(1))
    box = drawn(markers.update(result(CUP), HEADER, lifted(1, shift=0.5)), "boxes")[1]
    np.testing.assert_allclose(xyz(box.pose.position), [0.5, 0.5, 1.53], atol=1e-6)


def test_the_markers_of_a_removed_object_are_deleted_once() -> None:
    markers = Markers(COLOURS)
    markers.update(result(CUP, MUG), HEADER, lifted(1, 2))
    message = markers.update(result(MUG), HEADER, lifted(2))
    assert deleted(message) == {("boxes", 1), ("captions", 1)}
    assert set(drawn(message, "boxes")) == {2}
    assert not deleted(markers.update(result(MUG), HEADER, lifted(2)))


def test_an_object_that_was_never_lifted_has_no_markers() -> None:
    assert not Markers(COLOURS).update(result(CUP, MUG), HEADER, None).markers


def test_the_box_of_a_flat_surface_has_a_minimum_thickness() -> None:
    wall = LiftedObjects(HEADER, {1: Surface(np.array([[0.0, 0.0, 2.0]], np.float32), np.s_[:, :], MASK)})
    box = drawn(Markers(COLOURS).update(result(CUP), HEADER, wall), "boxes")[1]
    assert min(xyz(box.scale)) > 0.0


# ---- the topic


@pytest.fixture
def node(ros: None) -> Iterator[LifecycleNode]:
    node = LifecycleNode("sam2_tracker")
    yield node
    node.destroy_node()


@pytest.fixture
def outputs(node: LifecycleNode) -> DepthPublishers:
    lifter = Lifter("", Transforms(node), Statistics(), node.get_logger())
    outputs = DepthPublishers(node, qos.profile("reliable", 5), lifter, ObjectColours())
    node.trigger_configure()
    node.trigger_activate()
    return outputs


def output(*tracks: Track, has_depth: bool = True) -> TrackingOutput:
    depth = messages.image_message(np.full(SIZE, 2000, np.uint16), "16UC1", HEADER)
    info = CameraInfo(k=[8.0, 0.0, 4.0, 0.0, 8.0, 3.0, 0.0, 0.0, 1.0])
    (infos := CameraInfos()).add(info)
    awaited = PendingDepth(HEADER, infos, depth if has_depth else None)
    image = ProcessedImage(np.zeros((*SIZE, 3), np.uint8), HEADER, STAMP, awaited)
    return TrackingOutput(image, result(*tracks), None, ())


def test_markers_are_published_where_there_are_subscribers(node: LifecycleNode, outputs: DepthPublishers) -> None:
    assert outputs.publish(output(CUP), with_positions=False) is None
    received: list[MarkerArray] = []
    node.create_subscription(MarkerArray, "~/markers", received.append, qos.profile("reliable", 10))
    deadline = time.monotonic() + TIMEOUT
    while not received:
        assert time.monotonic() < deadline
        outputs.publish(output(CUP), with_positions=False)
        rclpy.spin_once(node, timeout_sec=0.02)
    box = drawn(received[0], "boxes")[1]
    assert box.header == HEADER
    np.testing.assert_allclose(box.pose.position.z, 2.0)
    outputs.publish(output(has_depth=False), with_positions=False)
    while not deleted(received[-1]):
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.02)


def test_an_empty_marker_array_is_not_published(node: LifecycleNode, outputs: DepthPublishers) -> None:
    received: list[MarkerArray] = []
    node.create_subscription(MarkerArray, "~/markers", received.append, qos.profile("reliable", 10))
    deadline = time.monotonic() + TIMEOUT
    while not node.count_subscribers("/sam2_tracker/markers"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for _ in range(20):
        outputs.publish(output(CUP, has_depth=False), with_positions=False)
        rclpy.spin_once(node, timeout_sec=0.02)
    assert not received
