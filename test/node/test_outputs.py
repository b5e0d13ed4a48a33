"""Outputs are computed for those who listen, and for nobody else."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.node import parameters, qos
from sam2_ros.node.outputs import Outputs
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.session import Publication, View
from sam2_ros.tracking.types import Box, FrameResult, Track, TrackState

HEADER = Header(stamp=Time(sec=1_700_000_000, nanosec=123_456_789), frame_id="optical")
STAMP = 1_700_000_000.0 + 0.123456789
PATIENCE = 30.0  # seconds


@pytest.fixture
def node(ros: None) -> Iterator[LifecycleNode]:
    node = LifecycleNode("sam2_tracker")
    parameters.declare(node)
    yield node
    node.destroy_node()


@pytest.fixture
def outputs(node: LifecycleNode) -> Outputs:
    outputs = Outputs(node, Parameters())
    node.trigger_configure()
    node.trigger_activate()
    return outputs


class Drawing:
    """Counts how often the label image is drawn."""

    def __init__(self) -> None:
        self.count = 0

    def draw(self) -> np.ndarray:
        self.count += 1
        return np.full((6, 8), 5, np.uint8)


def publication(drawing: Drawing, last_seen: float = STAMP) -> Publication:
    mask = np.zeros((6, 8), bool)
    mask[1:3, 1:3] = True
    track = Track(1, 5, "cup", TrackState.VISIBLE, 0.9, 0.8, mask, Box(1, 1, 3, 3), 4, last_seen)
    result = FrameResult(STAMP, 0, (6, 8), (track,), draw_labels=drawing.draw)
    return Publication(View(np.zeros((6, 8, 3), np.uint8), HEADER, STAMP), result, track, ())


def listen(node: LifecycleNode, kind: type, topic: str) -> list:
    """What is heard on a topic, from when it is connected."""
    heard: list = []
    node.create_subscription(kind, topic, heard.append, qos.profile("reliable", 10))
    return heard


def spin_until(node: LifecycleNode, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.02)


def test_what_nobody_listens_to_is_not_computed(node, outputs):
    drawing = Drawing()
    outputs.publish(publication(drawing))
    assert drawing.count == 0
    heard = listen(node, Image, "~/masks")
    spin_until(node, lambda: node.count_subscribers("/sam2_tracker/masks"))

    def published() -> bool:
        outputs.publish(publication(drawing))
        return bool(heard)

    spin_until(node, published)
    assert drawing.count > 0
    assert (heard[0].header, heard[0].encoding, heard[0].data[0]) == (HEADER, "mono8", 5)


def test_the_target_mask_is_black_and_white(node, outputs):
    heard = listen(node, Image, "~/target_mask")

    def published() -> bool:
        outputs.publish(publication(Drawing()))
        return bool(heard)

    spin_until(node, published)
    values = np.frombuffer(heard[0].data, np.uint8).reshape(6, 8)
    assert (values[1:3, 1:3] == 255).all()
    assert values.sum() == 4 * 255


def test_stamps_of_the_past_keep_their_nanoseconds_as_long_as_an_object_was_last_seen_then(outputs):
    outputs.publish(publication(Drawing()))
    assert outputs._time_of(STAMP) == HEADER.stamp
    later = Publication(
        View(np.zeros((6, 8, 3), np.uint8), Header(stamp=Time(sec=1_700_000_009)), 1_700_000_009.0),
        FrameResult(1_700_000_009.0, 1, (6, 8), publication(Drawing()).result.tracks),
        None,
        (),
    )
    outputs.publish(later)
    assert outputs._time_of(STAMP) == HEADER.stamp
    assert len(outputs._times) == 2


def test_destroyed_outputs_leave_no_topics(node, outputs):
    outputs.destroy()
    names = {name for name, _ in node.get_publisher_names_and_types_by_node("sam2_tracker", "/")}
    assert not names & {f"/sam2_tracker/{name}" for name in ("tracks", "masks", "target_mask", "overlay", "events")}
