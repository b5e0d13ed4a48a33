"""What older ROS 2 distributions lack is taken away here."""

import importlib.util
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import rclpy
import tf2_ros
from geometry_msgs.msg import Quaternion, Transform, TransformStamped
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.time import Time
from std_msgs.msg import Header

from sam2_ros.node import distributions

pytestmark = pytest.mark.distribution

TIMEOUT = 60.0  # seconds


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    node = rclpy.create_node("distributions", cli_args=["--ros-args", "-r", "tracks:=/elsewhere/tracks"])
    yield node
    node.destroy_node()


def test_events_come_from_the_module_of_humble_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    humble: Any = ModuleType("rclpy.qos_event")
    humble.SubscriptionEventCallbacks = type("Callbacks", (), {})
    humble.UnsupportedEventTypeError = type("Unsupported", (Exception,), {})
    monkeypatch.setitem(sys.modules, "rclpy.event_handler", None)
    monkeypatch.setitem(sys.modules, "rclpy.qos_event", humble)
    spec = importlib.util.spec_from_file_location("distributions_of_humble", distributions.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.SubscriptionEventCallbacks is humble.SubscriptionEventCallbacks
    assert module.UnsupportedEventTypeError is humble.UnsupportedEventTypeError


def test_events_come_from_the_newer_module_where_there_is_one() -> None:
    newer = pytest.importorskip("rclpy.event_handler", reason="Humble lacks it")
    assert distributions.SubscriptionEventCallbacks is newer.SubscriptionEventCallbacks
    assert distributions.UnsupportedEventTypeError is newer.UnsupportedEventTypeError


@pytest.mark.parametrize("is_humble", [False, True])
def test_the_publishers_of_a_remapped_topic_are_counted(
    monkeypatch: pytest.MonkeyPatch, node: Node, is_humble: bool
) -> None:
    subscription = node.create_subscription(Header, "tracks", print, 1)
    if is_humble:
        monkeypatch.delattr(Subscription, "get_publisher_count", raising=False)
    assert distributions.publisher_count(node, subscription) == 0
    publisher = node.create_publisher(Header, "/elsewhere/tracks", 1)
    deadline = time.monotonic() + TIMEOUT
    while distributions.publisher_count(node, subscription) != 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    node.destroy_publisher(publisher)


@pytest.mark.parametrize("is_humble", [False, True])
def test_a_closed_buffer_has_no_service_and_does_not_watch_the_clock(node: Node, is_humble: bool) -> None:
    before = len(list(node.services))
    buffer = tf2_ros.Buffer(node=node)
    if is_humble and hasattr(buffer, "jump_handle"):
        buffer.jump_handle.unregister()
        del buffer.jump_handle
    buffer.set_transform(
        TransformStamped(
            header=Header(frame_id="base"), child_frame_id="camera", transform=Transform(rotation=Quaternion(w=1.0))
        ),
        "a test",
    )
    distributions.close_buffer(node, buffer)
    assert len(list(node.services)) == before
    clock: Any = node.get_clock()
    clock._set_ros_time_is_active(True)
    for seconds in (1000, 10):
        clock.set_ros_time_override(Time(seconds=seconds, clock_type=ClockType.ROS_TIME))
    assert buffer.lookup_transform("base", "camera", Time()).child_frame_id == "camera"
