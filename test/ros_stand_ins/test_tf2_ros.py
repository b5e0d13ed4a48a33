"""What sam2_ros relies on in tf2_ros."""

import math
import time
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from tf2_msgs.srv import FrameGraph

pytestmark = pytest.mark.distribution

TIMEOUT = 60.0  # seconds
NO_TURN = Rotation.identity()
QUARTER_TURN = Rotation.from_euler("z", 90, degrees=True)


def transform(
    seconds: float, x: float = 0.0, turn: Rotation = NO_TURN, child: str = "camera", parent: str = "base"
) -> TransformStamped:
    """The child `x` metres along the x axis of its parent, turned."""
    qx, qy, qz, qw = turn.as_quat()
    return TransformStamped(
        header=Header(stamp=Time(nanoseconds=round(seconds * 1e9)).to_msg(), frame_id=parent),
        child_frame_id=child,
        transform=Transform(translation=Vector3(x=x), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)),
    )


@pytest.fixture
def buffer(tf2_ros: ModuleType, node: Node) -> Any:
    return tf2_ros.Buffer(node=node)


def put(buffer: Any, *transforms: TransformStamped) -> None:
    for entry in transforms:
        buffer.set_transform(entry, "a test")


def lookup(buffer: Any, seconds: float, target: str = "base", source: str = "camera") -> TransformStamped:
    return buffer.lookup_transform(target, source, Time(nanoseconds=round(seconds * 1e9)))


def position(message: TransformStamped) -> list[float]:
    translation = message.transform.translation
    return [translation.x, translation.y, translation.z]


def turn_of(message: TransformStamped) -> Rotation:
    rotation = message.transform.rotation
    return Rotation.from_quat([rotation.x, rotation.y, rotation.z, rotation.w])


def refusal(tf2_ros: ModuleType, buffer: Any, *arguments: Any) -> Exception:
    with pytest.raises(tf2_ros.TransformException) as caught:
        lookup(buffer, *arguments)
    return caught.value


# ---- in time


def test_a_pose_is_interpolated_between_two_stamps(buffer: Any) -> None:
    put(buffer, transform(100, x=1.0), transform(102, x=3.0, turn=QUARTER_TURN))
    found = lookup(buffer, 100.5)
    np.testing.assert_allclose(position(found), [1.5, 0, 0], atol=1e-9)
    np.testing.assert_allclose(turn_of(found).as_rotvec(degrees=True), [0, 0, 22.5], atol=1e-6)


def test_the_answer_names_both_frames_and_the_requested_stamp(buffer: Any) -> None:
    put(buffer, transform(100), transform(102))
    found = lookup(buffer, 100.5)
    assert (found.header.frame_id, found.child_frame_id) == ("base", "camera")
    assert found.header.stamp == TimeMessage(sec=100, nanosec=500_000_000)


def test_an_equal_stamp_needs_no_other_one(buffer: Any) -> None:
    put(buffer, transform(100, x=1.0))
    assert position(lookup(buffer, 100)) == [1.0, 0, 0]


@pytest.mark.parametrize(("seconds", "where"), [(103, "future"), (99, "past")])
def test_nothing_is_extrapolated(tf2_ros: ModuleType, buffer: Any, seconds: float, where: str) -> None:
    put(buffer, transform(100), transform(102))
    error = refusal(tf2_ros, buffer, seconds)
    assert isinstance(error, tf2_ros.ExtrapolationException)
    assert where in str(error)


@pytest.mark.parametrize("seconds", [99, 101])
def test_a_single_pose_is_only_for_its_stamp(tf2_ros: ModuleType, buffer: Any, seconds: float) -> None:
    put(buffer, transform(100))
    assert isinstance(refusal(tf2_ros, buffer, seconds), tf2_ros.ExtrapolationException)


def test_the_order_of_arrival_does_not_matter(buffer: Any) -> None:
    put(buffer, transform(102, x=2.0), transform(100, x=0.0), transform(101, x=5.0))
    np.testing.assert_allclose(position(lookup(buffer, 100.5)), [2.5, 0, 0])


def test_stamps_are_kept_for_ten_seconds_of_stamps(tf2_ros: ModuleType, buffer: Any) -> None:
    put(buffer, *map(transform, (100, 105, 111, 112)))
    assert isinstance(refusal(tf2_ros, buffer, 104), tf2_ros.ExtrapolationException)
    assert lookup(buffer, 106)


def test_older_stamps_than_that_are_ignored(tf2_ros: ModuleType, buffer: Any) -> None:
    put(buffer, transform(1000), transform(10), transform(12))
    assert isinstance(refusal(tf2_ros, buffer, 11), tf2_ros.ExtrapolationException)


def test_time_zero_is_the_newest_stamp_that_all_poses_have(buffer: Any) -> None:
    put(buffer, transform(100, x=0.0), transform(104, x=4.0))
    put(
        buffer,
        transform(100, x=1.0, child="lens", parent="camera"),
        transform(102, x=1.0, child="lens", parent="camera"),
    )
    found = lookup(buffer, 0, "base", "lens")
    assert found.header.stamp == TimeMessage(sec=102)
    np.testing.assert_allclose(position(found), [3.0, 0, 0])


def test_static_poses_are_for_every_stamp(buffer: Any) -> None:
    buffer.set_transform_static(transform(100, x=1.0), "a test")
    for seconds in (0, 5, 100, 900):
        assert position(lookup(buffer, seconds)) == [1.0, 0, 0]


def test_a_new_static_pose_replaces_the_old_one(buffer: Any) -> None:
    for x in (1.0, 2.0):
        buffer.set_transform_static(transform(100, x=x), "a test")
    assert position(lookup(buffer, 50)) == [2.0, 0, 0]


# ---- in the tree


def test_a_transform_goes_up_and_down_the_tree(buffer: Any) -> None:
    put(buffer, transform(100, x=1.0, turn=QUARTER_TURN, child="arm"))
    put(buffer, transform(100, x=2.0, child="hand", parent="arm"))
    buffer.set_transform_static(transform(0, x=5.0, child="table"), "a test")
    found = lookup(buffer, 100, "table", "hand")
    np.testing.assert_allclose(position(found), [-4.0, 2.0, 0], atol=1e-9)
    np.testing.assert_allclose(turn_of(found).as_rotvec(degrees=True), [0, 0, 90], atol=1e-6)
    back = lookup(buffer, 100, "hand", "table")
    np.testing.assert_allclose(position(back), [-2.0, -4.0, 0], atol=1e-9)


def test_a_frame_that_moves_to_another_parent_has_the_one_of_the_stamp(buffer: Any) -> None:
    put(buffer, transform(100, x=1.0), transform(104, x=9.0, parent="arm"))
    assert position(lookup(buffer, 100)) == [1.0, 0, 0]
    assert position(lookup(buffer, 102)) == [1.0, 0, 0]
    assert position(lookup(buffer, 104, "arm")) == [9.0, 0, 0]


@pytest.mark.parametrize("seconds", [0, 100])
def test_an_unknown_frame_is_named(tf2_ros: ModuleType, buffer: Any, seconds: float) -> None:
    put(buffer, transform(100))
    for target, source, missing in (("map", "camera", "map"), ("base", "moon", "moon")):
        error = refusal(tf2_ros, buffer, seconds, target, source)
        assert isinstance(error, tf2_ros.LookupException)
        assert f'"{missing}"' in str(error) and "does not exist" in str(error)


@pytest.mark.parametrize("seconds", [0, 100])
def test_frames_of_two_trees_have_no_transform(tf2_ros: ModuleType, buffer: Any, seconds: float) -> None:
    put(buffer, transform(100), transform(100, child="rover", parent="moon"))
    error = refusal(tf2_ros, buffer, seconds, "moon", "camera")
    assert isinstance(error, tf2_ros.ConnectivityException)


def test_the_oldest_data_decide_where_one_of_several_poses_is_missing(tf2_ros: ModuleType, buffer: Any) -> None:
    put(buffer, transform(100, child="arm"), transform(104, child="arm"))
    put(buffer, transform(100, parent="arm"), transform(101, parent="arm"))
    error = refusal(tf2_ros, buffer, 103)
    assert isinstance(error, tf2_ros.ExtrapolationException) and "future" in str(error)


def test_a_quaternion_is_normalized(buffer: Any) -> None:
    scaled = transform(100, turn=QUARTER_TURN)
    scaled.transform.rotation = Quaternion(z=2.0, w=2.0)
    put(buffer, scaled)
    np.testing.assert_allclose(turn_of(lookup(buffer, 100)).as_rotvec(degrees=True), [0, 0, 90], atol=1e-6)


INVALID = {
    "to itself": transform(100, child="base"),
    "no parent": transform(100, parent=""),
    "no child": transform(100, child=""),
    "not finite": transform(100, x=math.nan),
    "no rotation": TransformStamped(
        header=Header(stamp=TimeMessage(sec=100), frame_id="base"),
        child_frame_id="camera",
        transform=Transform(rotation=Quaternion(w=0.0)),
    ),
}


@pytest.mark.parametrize("invalid", INVALID.values(), ids=INVALID)
def test_an_invalid_pose_is_ignored(tf2_ros: ModuleType, buffer: Any, invalid: TransformStamped) -> None:
    put(buffer, invalid)
    assert isinstance(refusal(tf2_ros, buffer, 100), tf2_ros.LookupException)


# ---- after a time jump


def test_a_cleared_buffer_has_static_poses_only_and_accepts_older_ones(tf2_ros: ModuleType, buffer: Any) -> None:
    put(buffer, transform(1000), transform(1001))
    buffer.set_transform_static(transform(0, x=5.0, child="table"), "a test")
    buffer.clear()
    refusal(tf2_ros, buffer, 1000)
    assert position(lookup(buffer, 10, "base", "table")) == [5.0, 0, 0]
    put(buffer, transform(10, x=1.0))
    assert position(lookup(buffer, 10)) == [1.0, 0, 0]


def test_the_buffer_is_cleared_when_the_clock_jumps_back_until_its_handle_is_unregistered(
    tf2_ros: ModuleType, buffer: Any, node: Node
) -> None:
    if not hasattr(buffer, "jump_handle"):
        pytest.skip("the buffer of Humble does not watch the clock")
    clock: Any = node.get_clock()
    assert clock.clock_type == ClockType.ROS_TIME
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(Time(seconds=1000, clock_type=ClockType.ROS_TIME))
    put(buffer, transform(1000))
    clock.set_ros_time_override(Time(seconds=1001, clock_type=ClockType.ROS_TIME))
    assert lookup(buffer, 1000)
    clock.set_ros_time_override(Time(seconds=10, clock_type=ClockType.ROS_TIME))
    refusal(tf2_ros, buffer, 1000)
    buffer.jump_handle.unregister()
    put(buffer, transform(10))
    clock.set_ros_time_override(Time(seconds=1, clock_type=ClockType.ROS_TIME))
    assert lookup(buffer, 10)


# ---- topics


def wait_for(node: Node, condition: Callable[[], object], act: Callable[[], None] = lambda: None) -> None:
    assert node.executor is not None
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        act()
        node.executor.spin_once(timeout_sec=0.05)


def knows(tf2_ros: ModuleType, buffer: Any, child: str, seconds: float) -> bool:
    try:
        return bool(lookup(buffer, seconds, "base", child))
    except tf2_ros.TransformException:
        return False


def test_a_listener_receives_what_is_broadcast_until_it_is_unregistered(
    tf2_ros: ModuleType, buffer: Any, node: Node
) -> None:
    listener = tf2_ros.TransformListener(buffer, node)
    broadcaster = tf2_ros.TransformBroadcaster(node)
    wait_for(
        node,
        lambda: knows(tf2_ros, buffer, "camera", 100) and knows(tf2_ros, buffer, "arm", 100),
        lambda: broadcaster.sendTransform([transform(100), transform(100, child="arm")]),
    )
    wait_for(
        node,
        lambda: knows(tf2_ros, buffer, "hand", 100),
        lambda: broadcaster.sendTransform(transform(100, child="hand")),
    )
    listener.unregister()
    wait_for(node, lambda: not node.count_subscribers("/tf") and not node.count_subscribers("/tf_static"))


def test_static_transforms_reach_those_who_subscribe_later(tf2_ros: ModuleType, buffer: Any, node: Node) -> None:
    broadcaster = tf2_ros.StaticTransformBroadcaster(node)
    broadcaster.sendTransform([transform(100, x=1.0), transform(100, x=2.0, child="table")])
    listener = tf2_ros.TransformListener(buffer, node)
    wait_for(node, lambda: knows(tf2_ros, buffer, "camera", 7) and knows(tf2_ros, buffer, "table", 7))
    listener.unregister()


def has_both_ends(node: Node, topic: str) -> bool:
    return node.count_publishers(topic) > 0 and node.count_subscribers(topic) > 0


def test_the_topics_have_the_type_and_profiles_of_tf2(tf2_ros: ModuleType, buffer: Any, node: Node) -> None:
    listener = tf2_ros.TransformListener(buffer, node)
    broadcasters = [tf2_ros.TransformBroadcaster(node), tf2_ros.StaticTransformBroadcaster(node)]
    for topic, durability in (("/tf", "VOLATILE"), ("/tf_static", "TRANSIENT_LOCAL")):
        wait_for(node, partial(has_both_ends, node, topic))
        ends = [*node.get_publishers_info_by_topic(topic), *node.get_subscriptions_info_by_topic(topic)]
        assert {end.topic_type for end in ends} == {"tf2_msgs/msg/TFMessage"}
        assert {end.qos_profile.durability.name for end in ends} == {durability}
        assert {end.qos_profile.reliability.name for end in ends} == {"RELIABLE"}
    listener.unregister()
    del broadcasters
    assert TFMessage.get_fields_and_field_types() == {"transforms": "sequence<geometry_msgs/TransformStamped>"}


def test_the_service_tf2_frames_names_the_parent_of_each_frame(buffer: Any, node: Node) -> None:
    put(buffer, transform(100), transform(100, child="hand", parent="camera"))
    client: Any = node.create_client(FrameGraph, "tf2_frames")
    wait_for(node, client.service_is_ready)
    answers: list[Any] = []

    def ask() -> None:
        future = client.call_async(FrameGraph.Request())
        future.add_done_callback(lambda future: answers.append(future.result()))

    wait_for(node, lambda: answers, ask)
    frames = yaml.safe_load(answers[0].frame_yaml)
    assert {name: frame["parent"] for name, frame in frames.items()} == {"camera": "base", "hand": "camera"}
    node.destroy_service(buffer.srv)
