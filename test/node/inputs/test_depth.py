"""When images are passed on with depth, and when they do not wait for it: a real node and real synchronizers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import nearest_time
from sam2_ros.node.inputs.depth import DepthInput
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.types import ReceivedImage

from ...fake_clock import FakeClock

pytestmark = pytest.mark.distribution

TIMEOUT = 30.0  # seconds
PARAMETERS = Parameters(image_reliability="reliable")


class Scene:
    """A camera, its depth, and the frames that were handed on."""

    def __init__(self, node: Node, clock: FakeClock) -> None:
        self.node = node
        self.clock = clock
        self.offered: list[ReceivedImage] = []
        reliable = qos.profile("reliable", 10)
        self._depth = node.create_publisher(Image, "depth", reliable)
        self._info = node.create_publisher(CameraInfo, "camera_info", reliable)

    def subscribe(self, parameters: Parameters = PARAMETERS) -> DepthInput:
        self.input = DepthInput(self.node, parameters, self.offered.append, self.clock)
        self.spin_until(lambda: self._depth.get_subscription_count() and self._info.get_subscription_count())
        return self.input

    def image(self, stamp: float) -> None:
        """What the camera's callback does."""
        self.input.put_image(ReceivedImage(stamp, Image(header=Header(stamp=nearest_time(stamp))), 0.0))

    def measure(self, stamp: float, topics: str = "depth camera_info") -> None:
        """Depth and camera_info arrive."""
        received = self.input._monitor._received["depth"]
        self.clock.advance(0.001)
        header = Header(stamp=nearest_time(stamp))
        if "camera_info" in topics:
            self._info.publish(CameraInfo(header=header))
            self.spin_until(lambda: not self.input._camera_info.infos.is_empty)
        if "depth" in topics:
            self._depth.publish(Image(header=header))
            self.spin_until(lambda: self.input._monitor._received["depth"] > received)

    def wait(self, seconds: float) -> None:
        """Nothing arrives for longer than an image waits."""
        self.clock.advance(seconds)
        self.spin_until(lambda: self.input._waiting is None)

    def spin_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline
            rclpy.spin_once(self.node, timeout_sec=0.01)

    @property
    def handed_on(self) -> list[tuple[float, bool]]:
        """Stamps, and whether depth is there."""
        return [(frame.stamp, frame.depth is not None and frame.depth.depth is not None) for frame in self.offered]


@pytest.fixture
def scene(ros: None, clock: FakeClock) -> Iterator[Scene]:
    node = rclpy.create_node("scene")
    scene = Scene(node, clock)
    yield scene
    scene.input.close()
    node.destroy_node()


def depth_stamp(frame: ReceivedImage) -> float:
    assert frame.depth is not None and frame.depth.depth is not None
    stamp = frame.depth.depth.header.stamp
    return stamp.sec + stamp.nanosec / 1e9


def test_an_image_whose_depth_was_received_before_is_passed_on_immediately(scene: Scene) -> None:
    scene.subscribe()
    scene.measure(1.0)
    scene.image(1.0)
    assert scene.handed_on == [(1.0, True)]


def test_an_image_waits_for_its_depth(scene: Scene) -> None:
    scene.subscribe()
    scene.image(1.0)
    assert scene.handed_on == []
    scene.measure(1.0)
    assert scene.handed_on == [(1.0, True)]


def test_an_image_is_passed_on_without_depth_when_the_next_one_is_received(scene: Scene) -> None:
    scene.subscribe()
    scene.image(1.0)
    scene.image(1.1)
    assert scene.handed_on == [(1.0, False)]
    scene.measure(1.1)
    assert scene.handed_on == [(1.0, False), (1.1, True)]


def test_the_last_image_of_a_camera_that_stops_does_not_wait_forever(scene: Scene) -> None:
    scene.subscribe()
    scene.image(1.0)
    scene.wait(0.2)
    assert scene.handed_on == [(1.0, False)]


def test_while_depth_is_missing_images_are_passed_on_immediately(scene: Scene) -> None:
    scene.subscribe()
    for stamp in (1.0, 1.5, 2.0, 2.5):
        scene.image(stamp)
        scene.wait(0.4)
    scene.image(3.0)
    assert scene.handed_on[-1] == (3.0, False)


def test_images_wait_again_once_depth_is_received_before_the_next_image(scene: Scene) -> None:
    test_while_depth_is_missing_images_are_passed_on_immediately(scene)
    depth = scene.offered[-1].depth
    assert depth is not None and depth.read((1, 1)) is None  # its results were published at once
    scene.measure(3.0)
    scene.image(3.5)
    assert len(scene.offered) == 5
    scene.measure(3.5)
    assert scene.handed_on[-1] == (3.5, True)


def test_depth_that_is_received_while_its_image_is_processed_is_used(scene: Scene) -> None:
    scene.subscribe()
    scene.image(1.0)
    scene.image(1.1)
    scene.measure(1.0)
    assert scene.handed_on == [(1.0, True)]


def test_depth_without_camera_info_is_not_enough(scene: Scene) -> None:
    scene.subscribe()
    scene.measure(1.0, "depth")
    scene.image(1.0)
    depth = scene.offered[0].depth
    assert depth is not None and depth.read((1, 1)) is None


@pytest.mark.parametrize("stamp", [0.0, 0.5])
def test_one_camera_info_is_used_for_every_image_whatever_its_stamp(scene: Scene, stamp: float) -> None:
    scene.subscribe()
    scene.measure(stamp, "camera_info")
    for i in range(1, 4):
        scene.measure(float(i), "depth")
        scene.image(float(i))
    assert scene.handed_on == [(1.0, True), (2.0, True), (3.0, True)]
    assert all(frame.depth is not None and frame.depth.infos.for_size((1, 1)) for frame in scene.offered)


def test_different_stamps_match_only_within_the_slop(scene: Scene) -> None:
    scene.subscribe()
    scene.measure(0.99)
    scene.image(1.0)
    scene.wait(0.2)
    assert scene.handed_on == [(1.0, False)]


def test_within_the_slop_an_image_is_passed_on_immediately(scene: Scene) -> None:
    scene.subscribe(replace(PARAMETERS, depth_slop=15.0))
    scene.measure(0.99)
    scene.image(1.0)
    assert scene.handed_on == [(1.0, True)]


def test_once_stamps_were_equal_an_image_waits_for_an_equal_one(scene: Scene) -> None:
    scene.subscribe(replace(PARAMETERS, depth_slop=15.0))
    scene.measure(1.0)
    scene.image(1.0)
    scene.measure(1.09)
    scene.image(1.1)
    assert len(scene.offered) == 1
    scene.measure(1.1)
    assert [depth_stamp(frame) for frame in scene.offered] == [1.0, 1.1]
    scene.measure(1.19)
    scene.image(1.2)
    scene.image(1.3)
    assert [depth_stamp(frame) for frame in scene.offered] == [1.0, 1.1, 1.19]


def test_after_a_time_jump_back_depth_matches_again(scene: Scene) -> None:
    scene.subscribe()
    for i in range(20):
        scene.measure(1000.0 + i, "depth")
        scene.image(1000.5 + i)
    scene.input.reset()
    scene.image(1.0)
    scene.measure(1.0)
    assert scene.handed_on[-1] == (1.0, True)


def test_stray_stamps_of_depth_do_not_fill_the_queue(scene: Scene) -> None:
    scene.subscribe()
    scene.image(1000.0)
    for i in range(20):
        scene.measure(5000.0 + i)
    scene.image(1001.0)
    scene.measure(1001.0)
    assert scene.handed_on[-1] == (1001.0, True)


@pytest.mark.parametrize("stamp", [Time(sec=-1), Time(sec=2**31 - 1), Time(nanosec=2**31)])
def test_depth_with_a_stamp_out_of_range_is_ignored(scene: Scene, stamp: Time) -> None:
    scene.subscribe()
    scene._depth.publish(Image(header=Header(stamp=stamp)))
    scene.image(1.0)
    scene.measure(1.0)
    assert scene.handed_on == [(1.0, True)]


def test_no_subscriptions_are_left_after_close(scene: Scene) -> None:
    scene.subscribe()
    scene.input.close()
    assert not scene.node.count_subscribers("depth") and not scene.node.count_subscribers("camera_info")


# ---- warnings


def test_the_silent_topic_is_reported(scene: Scene) -> None:
    scene.subscribe()
    for i in range(7):
        scene.measure(1.0 + i, "depth")
        scene.image(1.0 + i)
        scene.wait(0.2)
    assert scene.input.warning(0.8).startswith("no camera_info on /camera_info for ")
    assert "no depth" not in scene.input.warning(0.8)
    assert scene.input.warning(30.0) == ""


def test_both_topics_are_reported_where_both_are_silent(scene: Scene) -> None:
    scene.subscribe()
    for i in range(7):
        scene.image(1.0 + i)
        scene.wait(0.2)
    reason = scene.input.warning(0.8)
    assert "no depth on /depth for " in reason and "no camera_info on /camera_info for " in reason
    assert reason.endswith("tracking continues in 2-D")


def test_depth_that_is_always_late_is_reported(scene: Scene) -> None:
    scene.subscribe()
    for i in range(7):
        scene.image(1.0 + i)
        scene.image(1.5 + i)
        for frame in scene.offered[2 * i :]:
            assert frame.depth is not None and frame.depth.read((1, 1)) is None  # as its results are published
        scene.measure(1.0 + i)
        scene.wait(0.2)
    assert "their stamps match, but depth arrives after its image's results are published" in scene.input.warning(0.8)
