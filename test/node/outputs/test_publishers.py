"""Topics are computed only where they have subscribers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from sam2_ros.msg import TrackEvent
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros import msg
from sam2_ros.media.ros_prompts import prompt_of
from sam2_ros.node import parameters, qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.outputs.publishers import Publishers
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.types import AppliedPrompt, ProcessedImage, TrackingOutput
from sam2_ros.tracking.types import Box, Click, Event, EventKind, FrameResult, Prompt, Track, TrackState

pytestmark = pytest.mark.distribution

HEADER = Header(stamp=Time(sec=1_700_000_000, nanosec=123_456_789), frame_id="optical")
STAMP = messages.seconds(HEADER.stamp)
TIMEOUT = 30.0  # seconds


@pytest.fixture
def node(ros: None) -> Iterator[LifecycleNode]:
    node = LifecycleNode("sam2_tracker")
    parameters.declare(node)
    yield node
    node.destroy_node()


@pytest.fixture
def publishers(node: LifecycleNode) -> Publishers:
    publishers = Publishers(node, Parameters())
    node.trigger_configure()
    node.trigger_activate()
    return publishers


class Drawing:
    """Counts how often the label image is drawn."""

    def __init__(self) -> None:
        self.count = 0

    def draw(self) -> np.ndarray:
        self.count += 1
        return np.full((6, 8), 5, np.uint8)


def output(drawing: Drawing, last_seen: float = STAMP) -> TrackingOutput:
    mask = np.zeros((6, 8), bool)
    mask[1:3, 1:3] = True
    track = Track(1, 5, "cup", TrackState.VISIBLE, 0.9, 0.8, mask, Box(1, 1, 3, 3), 4, last_seen)
    result = FrameResult(STAMP, 0, (6, 8), (track,), draw_labels=drawing.draw)
    return TrackingOutput(ProcessedImage(np.zeros((6, 8, 3), np.uint8), HEADER, STAMP), result, track, (), {1: "cup"})


def subscribe(node: LifecycleNode, kind: type, topic: str) -> list[Any]:
    """The messages that will be received on a topic."""
    received: list[Any] = []
    node.create_subscription(kind, topic, received.append, qos.profile("reliable", 10))
    return received


def spin_until(node: LifecycleNode, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.02)


def test_topics_without_subscribers_are_not_computed(node: LifecycleNode, publishers: Publishers) -> None:
    drawing = Drawing()
    publishers.publish(output(drawing))
    assert drawing.count == 0
    received = subscribe(node, Image, "~/masks")
    spin_until(node, lambda: node.count_subscribers("/sam2_tracker/masks"))

    def published() -> bool:
        publishers.publish(output(drawing))
        return bool(received)

    spin_until(node, published)
    assert drawing.count > 0
    assert (received[0].header, received[0].encoding, received[0].data[0]) == (HEADER, "mono8", 5)


def test_the_target_mask_is_black_and_white(node: LifecycleNode, publishers: Publishers) -> None:
    received = subscribe(node, Image, "~/target_mask")

    def published() -> bool:
        publishers.publish(output(Drawing()))
        return bool(received)

    spin_until(node, published)
    values = np.frombuffer(received[0].data, np.uint8).reshape(6, 8)
    assert (values[1:3, 1:3] == 255).all()
    assert values.sum() == 4 * 255


def test_applied_prompts_are_published_as_they_were_made(node: LifecycleNode, publishers: Publishers) -> None:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 1:7] = True
    prompts = (
        Prompt(clicks=(Click(3, 2), Click(5, 4, positive=False)), box=Box(1, 2, 6, 5), label="cup"),
        Prompt(mask=mask),
    )
    applied = tuple(AppliedPrompt(prompt, number, HEADER) for number, prompt in enumerate(prompts, start=4))
    received = subscribe(node, msg.Prompt, "~/applied_prompts")
    spin_until(node, lambda: node.count_subscribers("/sam2_tracker/applied_prompts"))

    def published() -> bool:
        if not received:
            publishers.publish(replace(output(Drawing()), prompts=applied))
        return len(received) >= 2

    spin_until(node, published)
    assert [message.header for message in received[:2]] == [HEADER] * 2
    assert [message.object_id for message in received[:2]] == [4, 5]
    read = [prompt_of(message) for message in received[:2]]
    assert read[0] == prompts[0]
    assert read[1].mask is not None and np.array_equal(read[1].mask, mask)


def later(seconds: int, last_seen: float) -> TrackingOutput:
    """What is published some seconds after HEADER, on an image that is stamped to the nanosecond, too."""
    stamp = Time(sec=HEADER.stamp.sec + seconds, nanosec=987_654_321)
    now = output(Drawing(), last_seen)
    result = replace(now.result, stamp=messages.seconds(stamp), draw_labels=None)
    return replace(now, image=replace(now.image, header=Header(stamp=stamp), stamp=result.stamp), result=result)


def test_past_events_have_the_exact_stamps_of_their_images(node: LifecycleNode, publishers: Publishers) -> None:
    received = subscribe(node, TrackEvent, "~/events")
    spin_until(node, lambda: node.count_subscribers("/sam2_tracker/events"))
    publishers.publish(output(Drawing()))
    publishers.publish(replace(later(1, STAMP), events=(Event(EventKind.STARTED, 1, STAMP),)))

    def published() -> bool:
        publishers.publish(replace(later(1, STAMP), events=(Event(EventKind.STARTED, 1, STAMP),)))
        return bool(received)

    spin_until(node, published)
    assert (received[0].header.stamp, received[0].label) == (HEADER.stamp, "cup")


def test_events_are_published_where_a_result_cannot_be(node: LifecycleNode, publishers: Publishers) -> None:
    received = subscribe(node, TrackEvent, "~/events")
    overlays = subscribe(node, Image, "~/overlay")
    spin_until(node, lambda: qos.has_subscribers(publishers._overlay._raw) and qos.has_subscribers(publishers._events))
    event = Event(EventKind.STARTED, 1, STAMP)
    small = ProcessedImage(np.zeros((2, 2, 3), np.uint8), HEADER, STAMP)  # nothing real fails on demand
    with pytest.raises((ValueError, IndexError)):
        publishers.publish(replace(output(Drawing()), image=small, events=(event,)))
    spin_until(node, lambda: received)
    assert (received[0].type, received[0].label, overlays) == (TrackEvent.STARTED, "cup", [])


def test_stamps_are_kept_while_something_refers_to_them(publishers: Publishers) -> None:
    publishers.publish(output(Drawing()))
    for seconds in range(1, 100):
        publishers.publish(later(seconds, last_seen=STAMP))
    assert publishers._time_of(STAMP) == HEADER.stamp
    assert len(publishers._times) == Parameters().history + 1
    publishers.publish(later(100, last_seen=later(100, 0.0).result.stamp))
    assert len(publishers._times) == Parameters().history


def test_no_topics_are_left_after_destroy(node: LifecycleNode, publishers: Publishers) -> None:
    publishers.destroy()
    names = {name for name, _ in node.get_publisher_names_and_types_by_node("sam2_tracker", "/")}
    assert not names & {f"/sam2_tracker/{name}" for name in ("tracks", "masks", "target_mask", "overlay", "events")}
