"""Advice about a topic on which nothing is received: other types, other transports, and what to set."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import rclpy
from geometry_msgs.msg import Point, PointStamped
from rclpy.node import Node
from sam2_ros.msg import Prompt, TrackArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from sam2_ros.node import qos
from sam2_ros.node.inputs.subscriptions import explain_silence, type_mismatch

pytestmark = pytest.mark.distribution

TIMEOUT = 10.0  # seconds


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    node = rclpy.create_node("subscriber")
    yield node
    node.destroy_node()


@pytest.fixture
def driver(node: Node) -> Iterator[Callable[[type, str], None]]:
    """Publishes a type on a topic, as another process does, and waits until the node knows."""
    contexts: list[rclpy.Context] = []
    drivers: list[Node] = []

    def publish(kind: type, topic: str) -> None:
        contexts.append(rclpy.Context())  # one for each: a participant has one type for a topic
        contexts[-1].init()
        before = node.count_publishers(topic)
        drivers.append(Node("driver", context=contexts[-1]))
        drivers[-1].create_publisher(kind, topic, 1)
        deadline = time.monotonic() + TIMEOUT
        while node.count_publishers(topic) == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    yield publish
    for other, context in zip(drivers, contexts):
        other.destroy_node()
        context.shutdown()


@dataclass
class Publisher:
    """As much of a publisher's entry in the graph as counts here."""

    topic_type: str


class Graph:
    """A graph with publishers whose message types are not installed here."""

    def __init__(self, *types: str) -> None:
        self._types = types

    def get_publishers_info_by_topic(self, topic: str) -> list[Publisher]:
        return [Publisher(name) for name in self._types]


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        ("yolo_msgs/msg/DetectionArray", "run examples/yolo_msgs_to_vision_msgs.py (in share/sam2_ros) and remap"),
        ("vision_msgs/msg/Detection3DArray", "let the detector publish 2-D boxes (depthai: i_nn_type rgb instead of"),
        ("vision_msgs/msg/Detection2D", "let the detector publish all boxes of an image in one array"),
    ],
)
def test_known_detectors_come_with_advice(node: Node, found: str, advice: str) -> None:
    messages = pytest.importorskip("vision_msgs.msg")
    subscription = subscribe(node, messages.Detection2DArray, "/yolo/detections")
    reason = type_mismatch(Graph(found), "~/detections", subscription)
    assert reason.startswith(f"/yolo/detections is published as {found}, expected vision_msgs/msg/Detection2DArray")
    assert advice in reason


def subscribe(node: Node, kind: type, topic: str) -> Any:
    return node.create_subscription(kind, topic, print, qos.profile("best_effort", 1))


WRONG = {
    "compressed on the raw topic": (
        ("image", Image, "/camera/image"),
        CompressedImage,
        "/camera/image is published as sensor_msgs/msg/CompressedImage, expected sensor_msgs/msg/Image: "
        "set image_transport to compressed and remap `image/compressed` to /camera/image",
    ),
    "the compressed topic itself": (
        ("image", Image, "/camera/image/compressed"),
        CompressedImage,
        "set image_transport to compressed and remap `image` to /camera/image",
    ),
    "raw on the compressed topic": (
        ("image", CompressedImage, "/camera/image/compressed"),
        Image,
        "set image_transport to raw and remap `image` to /camera/image/compressed",
    ),
    "a calibration for an image": (
        ("image", Image, "/camera/image"),
        CameraInfo,
        "published as sensor_msgs/msg/CameraInfo, expected sensor_msgs/msg/Image: remap `image` to a topic of this",
    ),
    "compressed depth": (("depth", Image, "/depth"), CompressedImage, "expected uncompressed: remap it"),
    "a cloud for depth": (("depth", Image, "/depth"), PointCloud2, "remap `depth` to the depth image that the cloud"),
    "an image for a calibration": (
        ("camera_info", CameraInfo, "/camera_info"),
        Image,
        "/camera_info is published as sensor_msgs/msg/Image, expected sensor_msgs/msg/CameraInfo: remap `camera_info`",
    ),
    "a click for a prompt": (
        ("~/prompt", Prompt, "/tracker/prompt"),
        PointStamped,
        "as geometry_msgs/msg/PointStamped, expected sam2_ros/msg/Prompt: send clicks of this type to ~/click",
    ),
    "a click without a header": (("~/click", PointStamped, "/click"), Point, "of this type to ~/click_point"),
}


@pytest.mark.parametrize(("asked", "kind", "reason"), WRONG.values(), ids=WRONG)
def test_another_message_type_is_reported_with_advice(
    node: Node, driver: Callable[[type, str], None], asked: tuple[str, type, str], kind: type, reason: str
) -> None:
    name, expected, topic = asked
    subscription = subscribe(node, expected, topic)
    assert type_mismatch(node, name, subscription) == ""
    driver(kind, topic)
    assert reason in type_mismatch(node, name, subscription)
    assert reason in explain_silence(node, name, subscription, 3.0)
    driver(expected, topic)
    assert type_mismatch(node, name, subscription) == ""


def test_detections_of_another_type_are_reported(node: Node, driver: Callable[[type, str], None]) -> None:
    messages = pytest.importorskip("vision_msgs.msg")
    subscription = subscribe(node, messages.Detection2DArray, "/yolo/detections")
    driver(TrackArray, "/yolo/detections")
    assert type_mismatch(node, "~/detections", subscription) == (
        "/yolo/detections is published as sam2_ros/msg/TrackArray, expected vision_msgs/msg/Detection2DArray: choose a "
        "detector that publishes vision_msgs, or convert as examples/yolo_msgs_to_vision_msgs.py does"
    )


SIBLINGS = {
    "compressed": (
        ("image", Image, "/camera/image"),
        (CompressedImage, "/camera/image/compressed"),
        "only compressed images are published, on /camera/image/compressed: set image_transport to compressed",
    ),
    "raw": (
        ("image", CompressedImage, "/camera/image/compressed"),
        (Image, "/camera/image"),
        "only raw images are published, on /camera/image: set image_transport to raw",
    ),
    "compressed under the name of raw": (
        ("image", CompressedImage, "/camera/image/compressed"),
        (CompressedImage, "/camera/image"),
        "compressed images are published on /camera/image itself: remap `image/compressed` to it",
    ),
    "compressed depth": (
        ("depth", Image, "/depth"),
        (CompressedImage, "/depth/compressedDepth"),
        "only compressed depth is published, on /depth/compressedDepth: expected uncompressed",
    ),
}


@pytest.mark.parametrize(("asked", "published", "reason"), SIBLINGS.values(), ids=SIBLINGS)
def test_the_same_images_with_another_transport_are_reported(
    node: Node,
    driver: Callable[[type, str], None],
    asked: tuple[str, type, str],
    published: tuple[type, str],
    reason: str,
) -> None:
    name, expected, topic = asked
    subscription = subscribe(node, expected, topic)
    driver(*published)
    assert explain_silence(node, name, subscription, 3.0).startswith(f"no {name} on {topic} for 3.0 s: {reason}")


def test_topics_of_the_expected_type_are_suggested(node: Node, driver: Callable[[type, str], None]) -> None:
    node.create_publisher(Image, "/own/overlay", 1)
    driver(Image, "/front/image_raw")
    driver(CompressedImage, "/front/image_raw/compressed")
    reason = explain_silence(node, "image", subscribe(node, Image, "/image"), 3.0)
    assert "no image on /image for 3.0 s: no publisher on /image. Start the camera, or remap `image`" in reason
    assert reason.endswith("topics of its type are /front/image_raw")


def test_of_many_topics_some_are_listed(node: Node, driver: Callable[[type, str], None]) -> None:
    for number in range(5):
        driver(Image, f"/camera_{number}/image")
    reason = explain_silence(node, "image", subscribe(node, Image, "/image"), 3.0)
    assert reason.endswith("/camera_0/image, /camera_1/image, /camera_2/image, ... (5 in all)")


def test_publishers_of_the_expected_type_are_counted(node: Node, driver: Callable[[type, str], None]) -> None:
    subscription = subscribe(node, Image, "/image")
    driver(Image, "/image")
    assert "although there is 1 publisher (reliable, requested: best_effort)" in explain_silence(
        node, "image", subscription, 3.0
    )
    driver(Image, "/image")
    assert "although there are 2 publishers (reliable" in explain_silence(node, "image", subscription, 3.0)
