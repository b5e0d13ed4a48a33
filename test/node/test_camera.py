"""The subscription to the camera, and the advice that is given when nothing comes."""

import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.node import qos
from sam2_ros.node.camera import Camera
from sam2_ros.node.parameters import Parameters

PATIENCE = 30.0  # seconds


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    node = rclpy.create_node("camera_test")
    yield node
    node.destroy_node()


def spin_until(node: Node, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.02)


@pytest.mark.parametrize("offered", qos.RELIABILITIES)
def test_a_camera_of_either_reliability_is_heard(node, offered):
    heard: list[Image] = []
    camera = Camera(node, Parameters(), heard.append)
    publisher = node.create_publisher(Image, "image", qos.profile(offered, 1))

    def arrived() -> bool:
        publisher.publish(Image(width=3))
        return bool(heard)

    spin_until(node, arrived)
    assert heard[0].width == 3
    assert camera.silence < PATIENCE


def test_compressed_images_are_expected_below_the_topic_of_the_raw_ones(node):
    heard: list[CompressedImage] = []
    camera = Camera(node, Parameters(image_transport="compressed"), heard.append)
    assert camera.topic == "/image/compressed"


def test_remapping_the_raw_topic_remaps_the_compressed_one(ros):
    node = Node("remapped", cli_args=["--ros-args", "-r", "image:=/front/image_raw"])
    camera = Camera(node, Parameters(image_transport="compressed"), print)
    assert camera.topic == "/front/image_raw/compressed"
    node.destroy_node()


def test_silence_without_a_publisher_is_explained_by_its_absence(node):
    advice = Camera(node, Parameters(), print).explain_silence()
    assert "no image on /image for" in advice
    assert "nobody publishes there. Start the camera, or remap `image` to its topic" in advice


def test_silence_of_a_best_effort_camera_is_explained_to_a_reliable_subscriber(node, capfd):
    camera = Camera(node, Parameters(image_reliability="reliable"), print)
    node.create_publisher(Image, "image", qos.profile("best_effort", 1))
    spin_until(node, lambda: "set image_reliability to best_effort" in capfd.readouterr().err)
    advice = camera.explain_silence()
    assert "there are 1 publishers (best_effort, asked: reliable)" in advice
    assert "set image_reliability to best_effort" in advice


def test_silence_of_a_matching_camera_is_explained_by_the_transport(node):
    camera = Camera(node, Parameters(), print)
    node.create_publisher(Image, "image", qos.profile("best_effort", 1))
    spin_until(node, lambda: node.count_publishers("image"))
    assert "FASTDDS_BUILTIN_TRANSPORTS to LARGE_DATA" in camera.explain_silence()


def test_the_time_before_a_simulation_has_begun_is_no_silence(ros):
    node = Node("simulated", cli_args=["--ros-args", "-p", "use_sim_time:=true"])
    clock = node.create_publisher(Clock, "/clock", 1)
    camera = Camera(node, Parameters(), print)
    for seconds, silence in ((1000, 0.0), (1004, 4.0)):

        def has_come(seconds: int = seconds) -> bool:
            clock.publish(Clock(clock=Time(sec=seconds)))
            return node.get_clock().now().nanoseconds == seconds * 10**9

        spin_until(node, has_come)
        assert camera.silence == silence
    node.destroy_node()


def test_a_closed_camera_is_not_heard(node):
    Camera(node, Parameters(), print).close()
    spin_until(node, lambda: node.count_subscribers("image") == 0)
