"""The subscription to images, and the advice where none are received."""

import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.node import qos
from sam2_ros.node.inputs.camera import Camera
from sam2_ros.node.parameters import Parameters

from ...fake_clock import FakeClock

pytestmark = pytest.mark.distribution

TIMEOUT = 30.0  # seconds


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    node = rclpy.create_node("camera_test")
    yield node
    node.destroy_node()


def spin_until(node: Node, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.02)


@pytest.mark.parametrize("offered", qos.RELIABILITIES)
def test_images_of_either_reliability_are_received(node: Node, offered: str) -> None:
    received: list[Image] = []
    camera = Camera(node, Parameters(), received.append)
    publisher = node.create_publisher(Image, "image", qos.profile(offered, 1))

    def arrived() -> bool:
        publisher.publish(Image(width=3))
        return bool(received)

    spin_until(node, arrived)
    assert received[0].width == 3
    assert camera.silence < TIMEOUT


def test_the_compressed_topic_is_below_the_raw_one(node: Node) -> None:
    received: list[CompressedImage] = []
    camera = Camera(node, Parameters(image_transport="compressed"), received.append)
    assert camera.topic == "/image/compressed"


def test_remapping_the_raw_topic_remaps_the_compressed_one(ros: None) -> None:
    node = Node("remapped", cli_args=["--ros-args", "-r", "image:=/front/image_raw"])
    camera = Camera(node, Parameters(image_transport="compressed"), print)
    assert camera.topic == "/front/image_raw/compressed"
    node.destroy_node()


@pytest.mark.parametrize(
    ("remappings", "topic"),
    [
        (["image:=/front/image_raw/compressed"], "/front/image_raw/compressed"),
        (["image/compressed:=/front/jpeg"], "/front/jpeg"),
        (["image:=/front/image_raw", "image/compressed:=/front/jpeg"], "/front/jpeg"),
    ],
    ids=["the compressed topic itself", "another name", "both"],
)
def test_the_compressed_topic_can_be_remapped_itself(ros: None, remappings: list[str], topic: str) -> None:
    arguments = [part for rule in remappings for part in ("-r", rule)]
    node = Node("remapped", cli_args=["--ros-args", *arguments])
    assert Camera(node, Parameters(image_transport="compressed"), print).topic == topic
    node.destroy_node()


def test_a_missing_publisher_is_reported(node: Node) -> None:
    advice = Camera(node, Parameters(), print).explain_silence()
    assert "no image on /image for" in advice
    assert "no publisher on /image. Start the camera, or remap `image` to its topic" in advice


def test_incompatible_qos_of_a_best_effort_camera_is_reported(node: Node, capfd: pytest.CaptureFixture[str]) -> None:
    camera = Camera(node, Parameters(image_reliability="reliable"), print)
    node.create_publisher(Image, "image", qos.profile("best_effort", 1))
    warning = "incompatible QoS on /image: publisher offers best_effort, subscription requests reliable"
    spin_until(node, lambda: warning in capfd.readouterr().err)
    advice = camera.explain_silence()
    assert "there is 1 publisher (best_effort, requested: reliable)" in advice
    assert "set image_reliability to best_effort" in advice


def test_silence_of_a_compatible_camera_is_explained_by_the_transport(node: Node) -> None:
    camera = Camera(node, Parameters(), print)
    node.create_publisher(Image, "image", qos.profile("best_effort", 1))
    spin_until(node, lambda: node.count_publishers("image"))
    assert "FASTDDS_BUILTIN_TRANSPORTS to LARGE_DATA" in camera.explain_silence()


def test_publishers_that_share_the_topic_for_long_are_named(node: Node, clock: FakeClock) -> None:
    camera = Camera(node, Parameters(), print, clock)
    other = rclpy.create_node("other_camera", namespace="left")
    publishers = [owner.create_publisher(Image, "/image", 1) for owner in (node, other)]
    spin_until(node, lambda: node.count_publishers("image") == 2)
    assert camera.sharing_warning == ""  # one that was killed stays visible for a while
    clock.advance(31.0)
    warning = camera.sharing_warning
    assert warning.startswith("2 publishers share /image (")
    assert "UNKNOWN" not in warning
    other.destroy_publisher(publishers[1])
    spin_until(node, lambda: node.count_publishers("image") == 1)
    clock.advance(1.0)
    assert camera.sharing_warning == ""
    other.destroy_node()


def test_silence_is_measured_while_simulation_time_is_stopped(ros: None, clock: FakeClock) -> None:
    node = Node("simulated", cli_args=["--ros-args", "-p", "use_sim_time:=true"])
    camera = Camera(node, Parameters(), print, clock)
    clock.advance(0.25)
    assert node.get_clock().now().nanoseconds == 0
    assert camera.silence == 0.25
    node.destroy_node()


def test_no_images_are_received_after_close(node: Node) -> None:
    Camera(node, Parameters(), print).close()
    spin_until(node, lambda: node.count_subscribers("image") == 0)
