"""RViz' Publish Point through the node: points, camera_info and /tf from another process."""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tf2_ros
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PointStamped, Quaternion, Transform, TransformStamped, Vector3
from sam2_ros.msg import Click, Track, TrackArray, TrackEvent
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message, nearest_time, seconds

from ..conftest import Robot

HEIGHT, WIDTH = 96, 128  # pixels of the robot's camera
FOCAL, CX, CY = 100.0, 64.0, 48.0  # pixels
BY_THE_WALL_CLOCK = Time(sec=1_900_000_000)  # when RViz says it was clicked; the images have a clock of their own


def camera_info(width: int = WIDTH, height: int = HEIGHT, focal: float = FOCAL) -> CameraInfo:
    info = CameraInfo(header=Header(frame_id="optical"), width=width, height=height)
    info.k = [focal, 0.0, CX, 0.0, focal, CY, 0.0, 0.0, 1.0]
    info.p = [focal, 0.0, CX, 0.0, 0.0, focal, CY, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


class Rviz:
    """Publishes clicks, and what the camera's driver and its robot would."""

    def __init__(self, robot: Robot) -> None:
        profile = qos.profile("reliable", 100)
        self._points = robot.node.create_publisher(PointStamped, "/clicked_point", profile)
        self._infos = robot.node.create_publisher(CameraInfo, "/camera_info", profile)
        self.info: CameraInfo | None = camera_info()
        robot.wait_for(self._points.get_subscription_count, "subscription to /clicked_point")
        robot.wait_for_discovery()
        robot.node.create_timer(0.02, self._publish_info)

    def _publish_info(self) -> None:
        if self.info is not None:
            self._infos.publish(self.info)

    def click(self, x: float, y: float, z: float, frame: str = "optical") -> None:
        header = Header(stamp=BY_THE_WALL_CLOCK, frame_id=frame)
        self._points.publish(PointStamped(header=header, point=Point(x=x, y=y, z=z)))


@pytest.fixture(scope="module")
def shared_rviz(shared_robot: Robot) -> Rviz:
    return Rviz(shared_robot)


@pytest.fixture
def rviz(robot: Robot, shared_rviz: Rviz) -> Iterator[Rviz]:
    """RViz, and a camera with a good calibration."""
    shared_rviz.info = camera_info()
    yield shared_rviz
    shared_rviz.info = None


_worlds = (f"world_{number}" for number in itertools.count())


class World:
    """A frame of reference, another one for each test: the camera moves along its x axis and looks along z."""

    def __init__(self, robot: Robot, broadcaster: Any) -> None:
        self._robot = robot
        self._broadcaster = broadcaster
        self.frame = next(_worlds)

    def broadcast(self, *poses: tuple[float, float]) -> None:
        """Publishes where the camera was, as (stamp, x) in seconds and metres, until something has come of it."""

        def happens() -> bool:
            self._broadcaster.sendTransform([self._transform(*pose) for pose in poses])
            return bool(self._robot.events)

        self._robot.wait_for(happens, "event")

    def _transform(self, stamp: float, x: float) -> TransformStamped:
        header = Header(stamp=nearest_time(stamp), frame_id="optical")
        return TransformStamped(
            header=header,
            child_frame_id=self.frame,
            transform=Transform(translation=Vector3(x=-x), rotation=Quaternion(w=1.0)),
        )


@pytest.fixture(scope="module")
def broadcaster(shared_robot: Robot, shared_rviz: Rviz) -> Any:
    """Broadcasts transforms to a node that is subscribed, which it is from the first click on."""
    broadcaster = tf2_ros.TransformBroadcaster(shared_robot.node)
    shared_rviz.click(0.0, 0.0, 1.0, frame="moon")
    shared_robot.wait_for(lambda: shared_robot.node.count_subscribers("/tf"), "subscription to /tf")
    shared_robot.wait_for_event(TrackEvent.PROMPT_REJECTED)
    return broadcaster


@pytest.fixture
def world(broadcaster: Any, robot: Robot) -> World:
    return World(robot, broadcaster)


def look(track: Track) -> tuple[float, ...]:
    """What distinguishes an object from one that was prompted elsewhere."""
    return track.area, track.box.x_min, track.box.y_min, track.box.x_max, track.box.y_max, track.predicted_iou


def newest_tracks(robot: Robot, header: Header, count: int) -> TrackArray:
    """Those of an image, once there are so many."""
    return robot.wait_for(lambda: [m for m in robot.tracks_of(header) if len(m.tracks) == count], "tracks")[-1]


# ---- where the click lands


def test_a_point_in_the_cameras_frame_is_a_click_on_its_projection(robot: Robot, rviz: Rviz) -> None:
    image = robot.show().header
    rviz.click(x=0.48, y=-0.2, z=2.0)
    assert robot.wait_for_event(TrackEvent.STARTED).header == image
    robot.add(clicks=[Click(x=CX + FOCAL * 0.48 / 2.0, y=CY - FOCAL * 0.2 / 2.0)])
    robot.add(clicks=[Click(x=CX - FOCAL * 0.48 / 2.0, y=CY - FOCAL * 0.2 / 2.0)])
    by_point, by_pixel, elsewhere = newest_tracks(robot, image, 3).tracks
    assert look(by_point) == look(by_pixel) != look(elsewhere)


def test_the_transform_is_that_of_the_images_stamp(robot: Robot, rviz: Rviz, world: World) -> None:
    image = robot.show().header
    stamp = seconds(image.stamp)
    rviz.click(x=2.4, y=0.0, z=2.0, frame=world.frame)
    world.broadcast((stamp - 1.0, 1.0), (stamp + 1.0, 3.0))
    assert robot.wait_for_event(TrackEvent.STARTED).header == image
    robot.add(clicks=[Click(x=CX + FOCAL * (2.4 - 2.0) / 2.0, y=CY)])
    by_point, by_pixel = newest_tracks(robot, image, 2).tracks
    assert look(by_point) == look(by_pixel)


def test_without_a_transform_for_the_newest_image_a_later_one_is_used(robot: Robot, rviz: Rviz, world: World) -> None:
    first = seconds(robot.show().header.stamp)
    rviz.click(x=0.0, y=0.0, z=2.0, frame=world.frame)
    later = robot.show().header
    world.broadcast((first + 0.01, 0.0), (first + 1.0, 0.0))
    assert robot.wait_for_event(TrackEvent.STARTED).header == later


def test_after_a_time_jump_back_old_transforms_do_not_block_new_ones(robot: Robot, rviz: Rviz, world: World) -> None:
    now = seconds(robot.show().header.stamp)
    rviz.click(x=0.0, y=0.0, z=2.0, frame=world.frame)
    world.broadcast((now - 1.0, 0.0), (now + 1.0, 0.0))
    robot.events.clear()
    image = robot.jump(now - 60.0).header
    robot.events.clear()  # of what was dropped
    rviz.click(x=0.0, y=0.0, z=2.0, frame=world.frame)
    world.broadcast((now - 61.0, 0.0), (now - 59.0, 0.0))
    assert robot.wait_for_event(TrackEvent.STARTED).header == image


# ---- what cannot be used


@pytest.fixture
def impatient(robot: Robot) -> Iterator[None]:
    """A node that says soon what a click lacks."""
    assert robot.set_parameter("prompt_timeout", 1.0).successful
    yield
    robot.set_parameter("prompt_timeout", 5.0)


REJECTED = {
    "behind the camera": ((0.0, 0.0, -2.0), "optical", "(0, 0, -2) m is not in front of the camera"),
    "in the camera's plane": ((1.0, 0.0, 0.0), "optical", "(1, 0, 0) m is not in front of the camera"),
    "outside the image": ((2.0, 0.0, 1.0), "optical", "would be pixel (264, 48), outside the image of 128x96"),
    "not finite": ((math.nan, 0.0, 1.0), "optical", "is not finite, expected metres"),
    "no frame": ((0.0, 0.0, 1.0), "", "it has no frame_id, expected the frame of its coordinates"),
    "unknown frame": ((0.0, 0.0, 1.0), "moon", "no transform from 'moon' to 'optical'"),
}


@pytest.mark.parametrize(("point", "frame", "reason"), REJECTED.values(), ids=REJECTED)
def test_a_point_that_cannot_be_located_is_rejected_and_tracking_continues(
    robot: Robot, impatient: None, rviz: Rviz, point: tuple[float, float, float], frame: str, reason: str
) -> None:
    kept = robot.add().object_id
    image = robot.show().header
    rviz.click(*point, frame=frame)
    event = robot.wait_for_event(TrackEvent.PROMPT_REJECTED)
    assert event.reason.startswith("clicked point: ")
    assert reason in event.reason
    assert event.header == image
    assert [track.id for track in robot.show().tracks] == [kept]


BAD_INFOS = {
    "no focal length": (camera_info(focal=0.0), (96, 128), "expected positive focal lengths"),
    "another size": (camera_info(width=640, height=480), (48, 64), "is for 640x480 pixels, the image is 64x48"),
}


@pytest.mark.parametrize(("info", "size", "reason"), BAD_INFOS.values(), ids=BAD_INFOS)
def test_an_invalid_camera_info_is_reported(
    robot: Robot, rviz: Rviz, info: CameraInfo, size: tuple[int, int], reason: str
) -> None:
    robot.show(pixels=np.zeros((*size, 3), np.uint8))
    rviz.info = info
    rviz.click(0.0, 0.0, 1.0)

    def is_named() -> bool:
        if not any(reason in event.reason for event in robot.events):
            rviz.click(0.0, 0.0, 1.0)  # the node may have known the last test's
            time.sleep(0.1)
        return any(reason in event.reason for event in robot.events)

    robot.wait_for(is_named, f"rejection because of {reason!r}")


def test_stale_transforms_are_reported_with_both_times(robot: Robot, impatient: None, rviz: Rviz, world: World) -> None:
    image = seconds(robot.show().header.stamp)
    rviz.click(x=0.0, y=0.0, z=2.0, frame=world.frame)
    world.broadcast((image - 60.0, 0.0), (image - 59.0, 0.0))
    reason = robot.wait_for_event(TrackEvent.PROMPT_REJECTED).reason
    assert "extrapolation into the future" in reason
    assert "publish that transform on /tf, stamped by the clock of the images" in reason


def test_images_without_a_frame_id_are_reported(robot: Robot, rviz: Rviz) -> None:
    header = Header(stamp=nearest_time(robot.next_stamp()))
    robot.send_message(image_message(np.zeros((HEIGHT, WIDTH, 3), np.uint8), "rgb8", header))
    robot.wait_for(lambda: robot.tracks_of(header), "tracks")
    rviz.click(0.0, 0.0, 1.0)
    assert "the images have no frame_id" in robot.wait_for_event(TrackEvent.PROMPT_REJECTED).reason


def test_a_waiting_click_blocks_neither_images_nor_other_clicks(robot: Robot, rviz: Rviz) -> None:
    robot.show()
    rviz.click(0.0, 0.0, 1.0, frame="moon")
    rviz.click(0.0, 0.0, 1.0)
    robot.wait_for_event(TrackEvent.STARTED)
    robot.show()
    assert [event.type for event in robot.events] == [TrackEvent.STARTED]
    robot.wait_for_event(TrackEvent.PROMPT_REJECTED)


def test_clicks_beyond_the_limit_are_rejected_while_the_others_wait(robot: Robot, rviz: Rviz) -> None:
    robot.show()

    def is_refused() -> bool:
        rviz.click(0.0, 0.0, 1.0, frame="moon")
        return any("16 clicks are waiting already" in event.reason for event in robot.events)

    robot.wait_for(is_refused, "refusal")
    robot.wait_for(lambda: sum("'moon'" in event.reason for event in robot.events) >= 16, "end of those that waited")
    robot.events.clear()
    rviz.click(0.0, 0.0, 1.0)
    robot.wait_for_event(TrackEvent.STARTED)


# ---- a node of its own


@pytest.fixture(scope="module")
def fresh_robot(start: Callable[..., Robot]) -> Robot:
    robot = start("fresh_tracker")
    robot.bring_up()
    robot.show()
    return robot


@pytest.fixture(scope="module")
def fresh_rviz(fresh_robot: Robot) -> Rviz:
    rviz = Rviz(fresh_robot)
    rviz.info = None
    return rviz


def is_subscribed(robot: Robot, topic: str) -> bool:
    return "fresh_tracker" in {info.node_name for info in robot.node.get_subscriptions_info_by_topic(topic)}


def test_camera_info_and_tf_are_not_subscribed_before_the_first_click(fresh_robot: Robot, fresh_rviz: Rviz) -> None:
    assert not is_subscribed(fresh_robot, "/camera_info")
    assert not is_subscribed(fresh_robot, "/tf")
    fresh_rviz.click(0.0, 0.0, 1.0)
    fresh_robot.wait_for(lambda: is_subscribed(fresh_robot, "/camera_info"), "subscription to /camera_info")
    reason = fresh_robot.wait_for_event(TrackEvent.PROMPT_REJECTED).reason
    assert "no camera_info on /camera_info for 5.0 s, although there" in reason


def test_deactivation_rejects_waiting_clicks(fresh_robot: Robot, fresh_rviz: Rviz) -> None:
    robot = fresh_robot
    time.sleep(1.0)  # in which the log repeats no rejection
    fresh_rviz.click(0.0, 0.0, 1.0, frame="moon")
    time.sleep(0.2)
    assert robot.change("deactivate") == [True]
    reason = "clicked point: the node was deactivated before the click was located"
    robot.wait_for(lambda: any(event.reason.startswith(reason) for event in list(robot.events)), "rejection")
    robot.wait_for(
        lambda: not is_subscribed(robot, "/camera_info") and not is_subscribed(robot, "/tf"), "end of subscriptions"
    )
    assert robot.change("activate") == [True]
    robot.wait_for(lambda: is_subscribed(robot, "/image") and is_subscribed(robot, "/clicked_point"), "subscriptions")
    robot.show()
    fresh_rviz.info = camera_info()
    fresh_rviz.click(0.0, 0.0, 1.0)
    robot.wait_for_event(TrackEvent.STARTED)


def test_clicked_point_false_ignores_clicks(fresh_robot: Robot) -> None:
    assert fresh_robot.change("deactivate", "cleanup") == [True, True]
    assert fresh_robot.set_parameter("clicked_point", False).successful
    fresh_robot.bring_up()
    fresh_robot.wait_for(lambda: is_subscribed(fresh_robot, "/image"), "subscription to images")
    assert not is_subscribed(fresh_robot, "/clicked_point")


def test_one_transient_local_camera_info_is_enough(start: Callable[..., Robot]) -> None:
    robot = start("late_tracker")
    infos = robot.node.create_publisher(CameraInfo, "/camera_info", qos.transient_local(1))
    infos.publish(camera_info())
    robot.bring_up()
    image = robot.show().header
    clicks = robot.node.create_publisher(PointStamped, "/clicked_point", qos.profile("reliable", 10))
    robot.wait_for(lambda: clicks.get_subscription_count() == robot.node.count_subscribers("/clicked_point"), "nodes")
    robot.wait_for_discovery()
    clicks.publish(PointStamped(header=Header(frame_id="optical"), point=Point(x=0.1, y=0.1, z=2.0)))
    assert robot.wait_for_event(TrackEvent.STARTED).header == image
    robot.node.destroy_publisher(infos)
