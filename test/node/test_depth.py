"""The active node with a depth camera, over DDS: positions, clouds, and invalid depth."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf2_ros
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from sam2_ros.msg import Track, TrackArray, TrackEvent
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from sam2_ros.depth.lifting import DepthImage, Intrinsics, lift
from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message, nearest_time, seconds

from .conftest import Robot

pytestmark = pytest.mark.distribution

HEIGHT, WIDTH = 96, 128
K = [110.0, 0.0, 64.0, 0.0, 100.0, 48.0, 0.0, 0.0, 1.0]
INTRINSICS = Intrinsics(110.0, 100.0, 64.0, 48.0)
DEPTH = (1.5 + 0.001 * np.mgrid[:HEIGHT, :WIDTH].sum(axis=0)).astype(np.float32)  # metres, a wall at an angle


@dataclass
class DepthCamera:
    """Depth and camera_info beside the robot's camera, and what the node publishes with them."""

    robot: Robot
    points: list[PointCloud2] = field(default_factory=list)
    target_depths: list[Image] = field(default_factory=list)

    def __post_init__(self) -> None:
        node, reliable = self.robot.node, qos.profile("reliable", 100)
        prefix = f"/{node.get_name().removeprefix('robot_of_')}"
        self.depth = node.create_publisher(Image, "depth", reliable)
        self.info = node.create_publisher(CameraInfo, "camera_info", reliable)
        node.create_subscription(PointCloud2, f"{prefix}/points", self.points.append, reliable)
        node.create_subscription(Image, f"{prefix}/target_depth", self.target_depths.append, reliable)

    def measure(
        self, header: Header, pixels: np.ndarray = DEPTH, encoding: str = "32FC1", k: list[float] = K, **fields: Any
    ) -> None:
        """Sends depth and camera_info of this header."""
        message = image_message(pixels, encoding, header)
        for name, value in fields.items():
            setattr(message, name, value)
        self.info.publish(CameraInfo(header=header, height=HEIGHT, width=WIDTH, k=k))
        self.depth.publish(message)

    def show(self, delay: float = 0.0, **depth: Any) -> TrackArray:
        """Sends an image and its depth, `delay` seconds of stamp later; the tracks on it."""
        stamp = self.robot.next_stamp()
        late = Header(stamp=nearest_time(stamp + delay), frame_id="optical")
        self.measure(late, **depth)
        header = self.robot.send(stamp)
        return self.robot.wait_for(lambda: self.robot.tracks_of(header), f"tracks of {header.stamp}")[-1]

    def show_until(self, condition: Callable[[Track], bool], **how: Any) -> tuple[TrackArray, Track]:
        """Shows images until the one track is as wished; the first image may be lost."""
        for _ in range(100):
            tracks = self.show(**how)
            if condition(tracks.tracks[0]):
                return tracks, tracks.tracks[0]
        raise AssertionError(f"the track never became so; the node's log:\n{self.robot.tracker.log}")

    def of(self, received: list[Any], header: Header) -> Any:
        """What was published for an image."""
        return self.robot.wait_for(lambda: [m for m in list(received) if m.header.stamp == header.stamp], "output")[0]


def is_placed(track: Track) -> bool:
    return track.has_position


def health(robot: Robot) -> str:
    return robot.diagnostics[-1].status[0].message if robot.diagnostics else ""


def vector(message: Any) -> list[float]:
    return [message.x, message.y, message.z]


def pixels(message: Image) -> np.ndarray:
    kind = {"mono8": "u1", "32FC1": "<f4", "16UC1": "<u2"}[message.encoding]
    return np.frombuffer(message.data, kind).reshape(message.height, message.width)


def equip(robot: Robot) -> DepthCamera:
    """Wait until the node is subscribed to depth and tracks one object."""
    robot.bring_up()
    camera = DepthCamera(robot)
    for publisher in (camera.depth, camera.info):
        robot.wait_for(publisher.get_subscription_count, f"subscription to {publisher.topic_name}")
    robot.show()
    robot.add()
    return camera


@pytest.fixture(scope="module")
def shared_camera(start: Callable[..., Robot]) -> DepthCamera:
    return equip(start(depth=True, image_timeout=1.0, image_reliability="reliable", image_depth=20))


@pytest.fixture
def camera(shared_camera: DepthCamera) -> DepthCamera:
    """Of an active node that follows one object with depth."""
    shared_camera.show_until(is_placed)
    return shared_camera


# ---- what comes out


def test_measured_objects_are_published_as_3d_detections(camera: DepthCamera) -> None:
    messages = pytest.importorskip("vision_msgs.msg")
    received: list[Any] = []
    camera.robot.node.create_subscription(
        messages.Detection3DArray, "/sam2_tracker/detections_3d", received.append, qos.profile("reliable", 100)
    )

    def shown() -> Any:
        tracks = camera.show()
        time.sleep(0.2)
        return [(tracks, message) for message in list(received) if message.header.stamp == tracks.header.stamp]

    tracks, message = camera.robot.wait_for(shown, "3-D detections")[0]
    (detection,), (track,) = message.detections, tracks.tracks
    assert (message.header.frame_id, detection.id) == ("optical", str(track.id))
    assert vector(detection.results[0].pose.pose.position) == vector(track.position)
    assert vector(detection.bbox.size) == vector(track.extent)


def test_position_and_extent_are_those_of_the_mask_on_the_depth(camera: DepthCamera) -> None:
    tracks, track = camera.show_until(is_placed)
    mask = pixels(camera.of(camera.robot.masks, tracks.header)) == track.mask_value
    expected = lift(mask, DepthImage(DEPTH, INTRINSICS))
    assert expected is not None
    assert tracks.position_frame == "optical"
    np.testing.assert_allclose(vector(track.position), expected.centroid, atol=1e-6)
    np.testing.assert_allclose(vector(track.extent), expected.extent, atol=1e-6)


def test_the_cloud_contains_the_points_of_every_visible_object(camera: DepthCamera) -> None:
    tracks, track = camera.show_until(is_placed)
    cloud = camera.of(camera.points, tracks.header)
    assert cloud.header == tracks.header
    points = np.frombuffer(cloud.data, np.dtype([("xyz", "<f4", 3), ("rgb", "<u4"), ("label", "<u4")]))
    np.testing.assert_allclose(points["xyz"].mean(axis=0), vector(track.position), atol=1e-4)
    assert set(points["label"]) == {track.id}


def test_target_depth_is_the_depth_of_the_selected_object_alone(camera: DepthCamera) -> None:
    tracks, _ = camera.show_until(is_placed)
    depth = camera.of(camera.target_depths, tracks.header)
    target = pixels(camera.of(camera.robot.target_masks, tracks.header)) > 0
    assert (depth.header, depth.encoding) == (tracks.header, "32FC1")
    np.testing.assert_array_equal(pixels(depth), np.where(target, DEPTH, np.nan))


def test_depth_in_millimetres_is_read_and_published(camera: DepthCamera) -> None:
    millimetres = (1000 * DEPTH).round().astype(np.uint16)
    tracks, track = camera.show_until(is_placed, pixels=millimetres.astype(">u2"), encoding="16UC1", is_bigendian=True)
    assert 1.4 < track.position.z < 1.8
    depth = camera.of(camera.target_depths, tracks.header)
    target = pixels(camera.of(camera.robot.target_masks, tracks.header)) > 0
    assert depth.encoding == "16UC1"
    np.testing.assert_array_equal(pixels(depth), np.where(target, millimetres, 0))


def test_an_object_without_measured_depth_has_no_position(camera: DepthCamera) -> None:
    tracks, track = camera.show_until(lambda track: not track.has_position, pixels=np.zeros_like(DEPTH))
    cloud = camera.of(camera.points, tracks.header)
    assert cloud.width == 0 and track.area > 0


# ---- invalid depth


@pytest.mark.parametrize(
    ("depth", "warning"),
    [
        ({"pixels": DEPTH[:48]}, "depth is 128x48 pixels, the image 128x96"),
        ({"encoding": "8UC1", "pixels": DEPTH.astype(np.uint8)}, "depth has encoding '8UC1', expected 32FC1"),
        ({"header_frame": "depth_optical"}, "depth has frame_id 'depth_optical', the image 'optical'"),
        ({"k": [0.0] * 9}, "fx 0, fy 0, cx 0, cy 0 pixels, expected positive focal lengths"),
        ({"step": 3}, "step is 3 bytes, expected at least 512"),
    ],
    ids=["size", "encoding", "frame", "focal length", "step"],
)
def test_invalid_depth_causes_a_warning_and_tracking_continues(
    camera: DepthCamera, depth: dict[str, Any], warning: str
) -> None:
    depth = dict(depth)
    if frame := depth.pop("header_frame", ""):
        stamp = camera.robot.next_stamp()
        camera.measure(Header(stamp=nearest_time(stamp), frame_id=frame))
        header = camera.robot.send(stamp)
        (track,) = camera.robot.wait_for(lambda: camera.robot.tracks_of(header), "tracks")[-1].tracks
    else:
        _, track = camera.show_until(lambda track: not track.has_position, **depth)
    assert track.state == Track.VISIBLE and not track.has_position
    camera.robot.wait_for(lambda: warning in health(camera.robot), f"warning {warning!r}")
    assert "in 2-D" in camera.robot.tracker.log
    camera.show_until(is_placed)
    camera.robot.wait_for(lambda: health(camera.robot) == "tracking", "health")


# ---- depth that does not come


def test_every_image_is_processed_while_depth_is_missing(camera: DepthCamera) -> None:
    robot = camera.robot
    for _ in range(5):
        header = robot.send(robot.next_stamp())
        (track,) = robot.wait_for(partial(robot.tracks_of, header), "tracks")[-1].tracks
        assert track.state == Track.VISIBLE and not track.has_position
    camera.show_until(is_placed)


def keep_showing(camera: DepthCamera, condition: Callable[[], bool], what: str, show: Callable[[], Any]) -> None:
    """Images at ten per second until the condition holds."""

    def shown() -> bool:
        show()
        time.sleep(0.1)
        return condition()

    camera.robot.wait_for(shown, what)


def test_a_silent_topic_is_reported(camera: DepthCamera) -> None:
    robot = camera.robot
    warning = "no depth on /depth for "
    keep_showing(camera, lambda: warning in health(robot), "warning", lambda: robot.send(robot.next_stamp()))
    robot.wait_for_log(warning)
    assert "although there is 1 publisher" in robot.tracker.log


def test_stamps_that_never_match_are_reported_with_numbers(camera: DepthCamera) -> None:
    def show() -> None:
        stamp = camera.robot.next_stamp()
        camera.measure(Header(stamp=nearest_time(stamp + 0.012), frame_id="optical"))
        camera.robot.send(stamp)

    reason = "the nearest stamps of image and depth differ by 12.0 ms, and depth_slop is 0 ms"
    keep_showing(camera, lambda: reason in health(camera.robot), "warning", show)
    assert "set depth_slop above 12.0" in health(camera.robot)


def test_depth_matches_again_after_a_time_jump_back(camera: DepthCamera) -> None:
    robot = camera.robot
    for _ in range(12):  # whose depth is still awaited when time starts again
        robot.send(robot.next_stamp())
    after = len(robot.events)
    robot.jump(seconds(robot.wait_for(lambda: robot.tracks, "tracks")[-1].header.stamp) - 100.0)
    robot.wait_for_event(TrackEvent.RESET, after)
    robot.add()
    camera.show_until(is_placed)


def test_depth_is_used_again_after_reactivation(camera: DepthCamera) -> None:
    robot = camera.robot
    assert robot.change("deactivate") == [True]
    robot.wait_for(lambda: not camera.depth.get_subscription_count(), "end of the subscription")
    assert robot.change("activate") == [True]
    robot.wait_for(camera.depth.get_subscription_count, "subscription to depth")
    robot.wait_for(lambda: robot.node.count_subscribers("image"), "subscription to images")
    robot.show()
    camera.show_until(is_placed)


# ---- stamps that differ, other frames, packages that are absent


@pytest.fixture(scope="module")
def latched_camera(start: Callable[..., Robot]) -> DepthCamera:
    """Whose camera_info is published once, latched and without a stamp, before the node is activated."""
    robot = start("latched", depth=True, image_reliability="reliable", image_depth=20, image_timeout=1.0)
    publisher = robot.node.create_publisher(CameraInfo, "camera_info", qos.transient_local(1))
    publisher.publish(CameraInfo(height=HEIGHT, width=WIDTH, k=K))
    robot.bring_up()
    camera = DepthCamera(robot)
    robot.node.destroy_publisher(camera.info)
    robot.wait_for(camera.depth.get_subscription_count, "subscription to depth")
    robot.show()
    robot.add()
    return camera


def test_one_transient_local_camera_info_without_a_stamp_gives_positions(latched_camera: DepthCamera) -> None:
    robot = latched_camera.robot
    for _ in range(100):
        header = Header(stamp=nearest_time(robot.next_stamp()), frame_id="optical")
        latched_camera.depth.publish(image_message(DEPTH, "32FC1", header))
        robot.send(seconds(header.stamp))
        (track,) = robot.wait_for(partial(robot.tracks_of, header), "tracks")[-1].tracks
        if track.has_position:
            return
    raise AssertionError(f"no position; the node's log:\n{robot.tracker.log}")


@pytest.fixture(scope="module")
def loose_camera(start: Callable[..., Robot]) -> DepthCamera:
    robot = start("loose", depth=True, depth_slop=15.0, image_reliability="reliable", image_depth=20)
    return equip(robot)


def test_within_the_slop_the_nearest_depth_is_used(loose_camera: DepthCamera) -> None:
    tracks, _ = loose_camera.show_until(is_placed, delay=0.010)
    assert loose_camera.of(loose_camera.points, tracks.header).header == tracks.header


def test_beyond_the_slop_no_depth_is_used(loose_camera: DepthCamera) -> None:
    loose_camera.show_until(lambda track: not track.has_position, delay=0.016)


def test_an_equal_stamp_is_preferred_to_one_within_the_slop(loose_camera: DepthCamera) -> None:
    robot = loose_camera.robot
    loose_camera.show_until(is_placed)
    for _ in range(5):
        stamp = robot.next_stamp()
        loose_camera.measure(Header(stamp=nearest_time(stamp - 0.010), frame_id="optical"), pixels=DEPTH + 1)
        header = robot.send(stamp)
        time.sleep(0.03)
        loose_camera.measure(header)
        tracks = robot.wait_for(partial(robot.tracks_of, header), "tracks")[-1]
        assert tracks.tracks[0].has_position
        assert tracks.tracks[0].position.z < 2.0


def test_positions_and_clouds_are_in_the_target_frame_at_the_stamp(start: Callable[..., Robot]) -> None:
    robot = start("looks_from_afar", depth=True, target_frame="base", image_reliability="reliable", image_depth=20)
    camera = equip(robot)
    _, track = camera.show_until(lambda track: True)
    assert not track.has_position
    robot.wait_for(lambda: "no transform from 'optical' to 'base'" in health(robot), "warning")
    broadcaster = tf2_ros.TransformBroadcaster(robot.node)
    robot.wait_for(lambda: robot.node.count_subscribers("/tf"), "subscription to /tf")

    def z_forward_becomes_x_forward(stamp: float, height: float) -> TransformStamped:
        turn = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
        return TransformStamped(
            header=Header(stamp=nearest_time(stamp), frame_id="base"),
            child_frame_id="optical",
            transform=Transform(translation=Vector3(z=height), rotation=turn),
        )

    for _ in range(20):
        stamp = robot.next_stamp()
        broadcaster.sendTransform(
            [z_forward_becomes_x_forward(stamp - 1.0, 1.0), z_forward_becomes_x_forward(stamp + 1.0, 3.0)]
        )
        time.sleep(0.1)
        header = Header(stamp=nearest_time(stamp), frame_id="optical")
        camera.measure(header)
        robot.send(stamp)
        tracks = robot.wait_for(partial(robot.tracks_of, header), "tracks")[-1]
        if tracks.tracks[0].has_position:
            break
    (track,) = tracks.tracks
    mask = pixels(camera.of(robot.masks, header)) == track.mask_value
    surface = lift(mask, DepthImage(DEPTH, INTRINSICS))
    assert surface is not None
    x, y, z = surface.centroid
    assert tracks.position_frame == "base"
    np.testing.assert_allclose(vector(track.position), [z, -x, 2.0 - y], atol=1e-3)
    np.testing.assert_allclose(vector(track.extent), surface.extent[[2, 0, 1]], atol=1e-3)
    cloud = camera.of(camera.points, header)
    assert (cloud.header.frame_id, cloud.header.stamp) == ("base", header.stamp)


def test_without_message_filters_the_package_is_reported_and_tracking_continues(
    start: Callable[..., Robot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("message_filters", "tf2_ros"):
        (tmp_path / f"{package}.py").write_text("raise ModuleNotFoundError(f'No module named {__name__!r}')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    robot = start("without_packages", is_forked=False, depth=True, target_frame="base", image_reliability="reliable")
    robot.bring_up()
    for package in ("message_filters", "tf2_ros"):
        robot.wait_for_log(f"needs the ROS package {package}, which cannot be imported")
    robot.show()
    robot.add()
    (track,) = robot.show().tracks
    assert track.state == Track.VISIBLE and not track.has_position
    robot.wait_for(lambda: "sudo apt install ros-$ROS_DISTRO-message-filters" in health(robot), "health")
