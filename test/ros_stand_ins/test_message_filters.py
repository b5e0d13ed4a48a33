"""What sam2_ros relies on in message_filters."""

import time
from types import ModuleType
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

pytestmark = pytest.mark.distribution

TIMEOUT = 60.0  # seconds
MILLISECOND = 10**6  # nanoseconds


def image(milliseconds: float, frame_id: str = "") -> Image:
    seconds, nanoseconds = divmod(round(milliseconds * MILLISECOND), 10**9)
    return Image(header=Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id))


class Pair:
    """Two inputs of a synchronizer, and what it outputs: the stamps (milliseconds) of each pair."""

    def __init__(self, message_filters: ModuleType, queue_size: int = 3, slop: float | None = None) -> None:
        self.left, self.right = message_filters.SimpleFilter(), message_filters.SimpleFilter()
        self.outputs: list[tuple[float, float]] = []
        inputs = [self.left, self.right]
        if slop is None:
            self.synchronizer = message_filters.TimeSynchronizer(inputs, queue_size)
        else:
            self.synchronizer = message_filters.ApproximateTimeSynchronizer(inputs, queue_size, slop)
        self.synchronizer.registerCallback(self._on_pair)

    def _on_pair(self, *messages: Image) -> None:
        stamps = [message.header.stamp for message in messages]
        left, right = (stamp.sec * 1000 + stamp.nanosec / MILLISECOND for stamp in stamps)
        self.outputs.append((left, right))

    def send(self, **stamps: tuple[float, ...]) -> None:
        """Messages with these stamps, in the order in which the inputs are named."""
        for name, values in stamps.items():
            for stamp in values:
                getattr(self, name).signalMessage(image(stamp))


# ---- filters


def test_a_filter_passes_messages_on_in_the_order_of_registration(message_filters: ModuleType) -> None:
    source = message_filters.SimpleFilter()
    called: list[tuple[Any, ...]] = []
    source.registerCallback(lambda *arguments: called.append(("first", *arguments)))
    source.registerCallback(lambda *arguments: called.append(("second", *arguments)), "extra", 7)
    source.signalMessage("a", "b")
    assert called == [("first", "a", "b"), ("second", "a", "b", "extra", 7)]


def test_a_subscriber_outputs_what_is_received(message_filters: ModuleType, node: Node) -> None:
    profile = QoSProfile(depth=3, reliability=ReliabilityPolicy.BEST_EFFORT)
    subscriber = message_filters.Subscriber(node, Image, "contract_image", qos_profile=profile)
    received: list[Image] = []
    subscriber.registerCallback(received.append)
    publisher = node.create_publisher(Image, "contract_image", profile)
    assert node.executor is not None
    deadline = time.monotonic() + TIMEOUT
    while not received and time.monotonic() < deadline:
        publisher.publish(image(5.0, "camera"))
        node.executor.spin_once(timeout_sec=0.05)
    assert received[0] == image(5.0, "camera")
    assert subscriber.sub.topic_name == "/contract_image"
    assert subscriber.sub.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
    node.destroy_subscription(subscriber.sub)
    assert not node.count_subscribers("contract_image")


def test_a_subscriber_without_a_profile_has_a_queue_of_ten(message_filters: ModuleType, node: Node) -> None:
    profile = message_filters.Subscriber(node, Image, "contract_default").sub.qos_profile
    assert (profile.depth, profile.reliability) == (10, ReliabilityPolicy.RELIABLE)


def test_a_topic_that_is_subscribed_with_another_type_is_refused(message_filters: ModuleType, node: Node) -> None:
    node.create_subscription(Header, "contract_taken", print, 1)
    with pytest.raises(RuntimeError):
        message_filters.Subscriber(node, Image, "contract_taken")


# ---- equal stamps


def test_equal_stamps_are_output_in_the_order_of_the_inputs(message_filters: ModuleType) -> None:
    pair = Pair(message_filters)
    pair.send(right=(1.0,))
    pair.send(left=(2.0, 1.0))
    assert pair.outputs == [(1.0, 1.0)]
    pair.send(right=(2.0,))
    assert pair.outputs == [(1.0, 1.0), (2.0, 2.0)]


def test_a_nanosecond_is_a_difference(message_filters: ModuleType) -> None:
    pair = Pair(message_filters)
    pair.send(left=(1.0,), right=(1.000001,))
    assert pair.outputs == []


def test_what_was_output_is_gone(message_filters: ModuleType) -> None:
    pair = Pair(message_filters)
    pair.send(left=(1.0,), right=(1.0, 1.0))
    assert pair.outputs == [(1.0, 1.0)]
    assert [len(queue) for queue in pair.synchronizer.queues] == [0, 1]


def test_a_full_queue_drops_the_smallest_stamp_also_a_new_one(message_filters: ModuleType) -> None:
    pair = Pair(message_filters)
    pair.send(right=(1.0, 2.0, 3.0, 4.0, 0.5))
    pair.send(left=(0.5, 1.0, 2.0, 3.0, 4.0))
    assert pair.outputs == [(2.0, 2.0), (3.0, 3.0), (4.0, 4.0)]


def test_a_repeated_stamp_replaces_the_message(message_filters: ModuleType) -> None:
    pair = Pair(message_filters)
    received: list[str] = []
    pair.synchronizer.registerCallback(lambda left, right: received.append(right.header.frame_id))
    for frame_id in ("old", "new"):
        pair.right.signalMessage(image(1.0, frame_id))
    pair.left.signalMessage(image(1.0))
    assert received == ["new"]


def test_queues_can_be_cleared(message_filters: ModuleType) -> None:
    pair = Pair(message_filters)
    pair.send(right=(1000.0, 1001.0, 1002.0))
    for queue in pair.synchronizer.queues:
        queue.clear()
    pair.send(right=(1.0,), left=(1000.0, 1.0))
    assert pair.outputs == [(1.0, 1.0)]


def test_messages_need_nothing_but_a_stamp(message_filters: ModuleType) -> None:
    class Pending:
        header = Header(stamp=Time(nanosec=MILLISECOND))

    pair = Pair(message_filters)
    pair.left.signalMessage(Pending())
    pair.send(right=(1.0,))
    assert pair.outputs == [(1.0, 1.0)]


# ---- stamps within the slop


def test_a_new_message_is_output_with_the_nearest_one(message_filters: ModuleType) -> None:
    pair = Pair(message_filters, slop=0.010)
    pair.send(right=(92.0, 97.0, 106.0), left=(100.0,))
    assert pair.outputs == [(100.0, 97.0)]
    pair.send(left=(101.0, 103.0))
    assert pair.outputs[1:] == [(101.0, 106.0)]  # the last one, 92.0, is too far from 103.0
    pair.send(right=(104.0,))
    assert pair.outputs[2:] == [(103.0, 104.0)]


@pytest.mark.parametrize(("difference", "is_output"), [(9.999999, True), (10.0, False), (10.000001, False)])
def test_the_difference_has_to_be_below_the_slop(
    message_filters: ModuleType, difference: float, is_output: bool
) -> None:
    for sign in (1, -1):
        pair = Pair(message_filters, slop=0.010)
        pair.send(left=(100.0,), right=(100.0 + sign * difference,))
        assert bool(pair.outputs) is is_output


def test_a_full_queue_drops_the_smallest_stamp_with_a_slop_too(message_filters: ModuleType) -> None:
    pair = Pair(message_filters, slop=0.010)
    pair.send(right=(100.0, 200.0, 300.0, 50.0), left=(50.0,))
    assert pair.outputs == []
    pair.send(right=(400.0,), left=(100.0,))
    assert pair.outputs == []
    pair.send(left=(200.0, 400.0))
    assert pair.outputs == [(200.0, 200.0), (400.0, 400.0)]
