"""camera_info is received from volatile and transient local publishers, whatever its stamp."""

import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from sam2_ros.node import qos
from sam2_ros.node.inputs.camera_info import CameraInfoInput

from ...fake_clock import FakeClock

pytestmark = pytest.mark.distribution

TIMEOUT = 30.0  # seconds
SIZE = (3, 4)


@pytest.fixture
def driver(ros: None) -> Iterator[Node]:
    """A node in another context, like one of another process for DDS."""
    context = rclpy.Context()
    context.init()
    node = Node("driver", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    node = rclpy.create_node("camera_info_test")
    yield node
    node.destroy_node()


def spin_until(node: Node, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.02)


def info(focal: float = 1.0) -> CameraInfo:
    return CameraInfo(height=SIZE[0], width=SIZE[1], k=[focal, 0.0, 0.0, 0.0, focal, 0.0, 0.0, 0.0, 1.0])


def focal(received: CameraInfoInput) -> float:
    found = received.infos.for_size(SIZE)
    return 0.0 if found is None else float(found.k[0])


@pytest.mark.parametrize("reliability", qos.RELIABILITIES)
def test_camera_info_that_is_repeated_is_received(node: Node, driver: Node, reliability: str) -> None:
    received = CameraInfoInput(node)
    publisher = driver.create_publisher(CameraInfo, "camera_info", qos.profile(reliability, 1))

    def arrived() -> bool:
        publisher.publish(info())
        return focal(received) == 1.0

    spin_until(node, arrived)
    received.close()


def test_transient_local_camera_info_from_before_the_subscription_is_received(node: Node, driver: Node) -> None:
    driver.create_publisher(CameraInfo, "camera_info", qos.transient_local(1)).publish(info(2.0))
    spin_until(node, lambda: node.count_publishers("camera_info"))
    received = CameraInfoInput(node)
    spin_until(node, lambda: focal(received) == 2.0)
    received.close()


def test_transient_local_camera_info_after_the_subscription_is_received(node: Node, driver: Node) -> None:
    received = CameraInfoInput(node)
    driver.create_publisher(CameraInfo, "camera_info", qos.transient_local(1)).publish(info(3.0))
    spin_until(node, lambda: focal(received) == 3.0)
    received.close()


def test_the_newest_camera_info_is_used(node: Node, driver: Node) -> None:
    publisher = driver.create_publisher(CameraInfo, "camera_info", qos.transient_local(1))
    publisher.publish(info(1.0))
    received = CameraInfoInput(node)
    spin_until(node, lambda: focal(received) == 1.0)
    publisher.publish(info(5.0))
    spin_until(node, lambda: focal(received) == 5.0)
    received.close()


@pytest.mark.parametrize("profile", [qos.profile("reliable", 1), qos.profile("best_effort", 1), qos.transient_local(1)])
def test_no_publisher_gets_an_incompatible_qos_warning(
    node: Node, driver: Node, profile: QoSProfile, capfd: pytest.CaptureFixture[str]
) -> None:
    publisher = driver.create_publisher(CameraInfo, "camera_info", profile)
    received = CameraInfoInput(node)

    def arrived() -> bool:
        publisher.publish(info())
        return focal(received) == 1.0

    spin_until(node, arrived)
    for _ in range(50):
        rclpy.spin_once(node, timeout_sec=0.02)
    log = capfd.readouterr()
    assert "incompatible" not in (log.out + log.err).lower()
    received.close()


def test_silence_causes_a_warning_until_the_first_camera_info(node: Node, driver: Node, clock: FakeClock) -> None:
    received = CameraInfoInput(node, clock)
    assert received.warning(0.1) == ""
    clock.advance(0.2)
    assert received.warning(0.1).startswith("no camera_info on /camera_info for 0.2 s")
    driver.create_publisher(CameraInfo, "camera_info", qos.transient_local(1)).publish(info())
    spin_until(node, lambda: not received.infos.is_empty)
    clock.advance(0.2)
    assert received.warning(0.1) == ""
    received.close()


def test_another_message_type_on_the_topic_is_reported(node: Node, driver: Node) -> None:
    received = CameraInfoInput(node)
    driver.create_publisher(Image, "camera_info", 1)
    spin_until(node, lambda: node.count_publishers("camera_info"))
    reason = received.explain_silence(3.0)
    assert "published as sensor_msgs/msg/Image, expected sensor_msgs/msg/CameraInfo: remap `camera_info`" in reason
    received.close()


def test_no_subscription_is_left_after_close(node: Node, driver: Node) -> None:
    driver.create_publisher(CameraInfo, "camera_info", qos.transient_local(1)).publish(info())
    received = CameraInfoInput(node)
    spin_until(node, lambda: focal(received))
    received.close()
    assert not node.count_subscribers("camera_info")
