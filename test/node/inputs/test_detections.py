"""A detector and the real node, over DDS, with the bundled weights."""

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from sam2_ros.msg import Track, TrackArray, TrackEvent
from std_msgs.msg import Header
from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray, ObjectHypothesisWithPose

import sam2_ros
from sam2_ros.node.conversions.messages import nearest_time

from ..conftest import Robot

WEIGHTS = Path(sam2_ros.__file__).parent / "weights" / "nano.safetensors"
HEIGHT, WIDTH = 240, 320
Square = tuple[float, float]  # centre (pixels)
HALF = 30
CUP, OTHER = (80, 100), (230, 130)


def render(*squares: Square) -> np.ndarray:
    """(H, W, 3) uint8: the first square is red, the second one blue."""
    rgb = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for (x, y), colour in zip(squares, ((220, 40, 40), (40, 60, 220))):
        rgb[y - HALF : y + HALF, x - HALF : x + HALF] = colour
    return rgb


def detection(square: Square, label: str = "cup", score: float = 0.9, size: float = 2.0 * HALF) -> Detection2D:
    bbox = BoundingBox2D(size_x=size, size_y=size)
    bbox.center.position.x, bbox.center.position.y = map(float, square)
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = label, score
    return Detection2D(results=[hypothesis], bbox=bbox)


class Detector:
    """Publishes detections and subscribes to detections_out."""

    def __init__(self, robot: Robot, name: str = "sam2_tracker") -> None:
        self._robot = robot
        self._name = name
        self.publisher = self.new_publisher()
        self.received: list[Detection2DArray] = []
        robot.node.create_subscription(Detection2DArray, f"/{name}/detections_out", self.received.append, 10)
        robot.wait_for(self.publisher.get_subscription_count, "subscription to detections")

    def new_publisher(self) -> Any:
        return self._robot.node.create_publisher(Detection2DArray, f"/{self._name}/detections", 10)

    def send(self, header: Header, *detections: Detection2D) -> None:
        self.publisher.publish(Detection2DArray(header=header, detections=detections))

    def see(self, *detections: Detection2D, squares: tuple[Square, ...] = (CUP, OTHER)) -> list[Track]:
        """An image, the detections on it, and the tracks on the next one."""
        self.send(self._robot.show(pixels=render(*squares)).header, *detections)
        time.sleep(0.3)
        return self._robot.show(pixels=render(*squares)).tracks

    def see_until(self, condition: Callable[[list[Track]], Any], *detections: Detection2D) -> list[Track]:
        """Repeat, because the transport may lose the first messages."""
        for _ in range(20):
            tracks = self.see(*detections)
            if condition(tracks):
                return tracks
        raise AssertionError(f"the last tracks were {tracks}; the node's log:\n{self._robot.tracker.log}")

    def diagnostic(self, key: str) -> str:
        """The newest value of this key."""
        time.sleep(0.5)
        return {pair.key: pair.value for pair in self._robot.diagnostics[-1].status[0].values}.get(key, "")


@pytest.fixture(scope="module")
def table(start: Callable[..., Robot]) -> Robot:
    """A node that starts an object after one detection."""
    robot = start(checkpoint=WEIGHTS, image_size=256, detection_min_hits=1, prompt_timeout=1.0)
    robot.bring_up()
    return robot


@pytest.fixture(scope="module")
def shared_detector(table: Robot) -> Detector:
    return Detector(table)


@pytest.fixture
def robot(table: Robot) -> Robot:
    table.drop_objects()
    return table


@pytest.fixture
def detector(robot: Robot, shared_detector: Detector) -> Detector:
    shared_detector.received.clear()
    return shared_detector


def test_a_box_starts_an_object_with_its_label(detector: Detector) -> None:
    (track,) = detector.see_until(bool, detection(CUP))
    assert track.label == "cup"
    assert abs(track.box.x_min - 50) < 10 and abs(track.box.x_max - 110) < 10


def test_tracks_are_published_as_detections_with_a_persistent_id(detector: Detector, robot: Robot) -> None:
    (track,) = detector.see_until(bool, detection(CUP))
    detector.received.clear()
    headers = [robot.show(pixels=render(CUP)).header for _ in range(3)]

    def detections_of(header: Header) -> list[Detection2DArray]:
        return [received for received in list(detector.received) if received.header == header]

    for header in headers:
        array = robot.wait_for(partial(detections_of, header), "detections_out")[0]
        (out,) = array.detections
        assert (out.id, out.header) == (str(track.id), header)
        assert out.results[0].hypothesis.class_id == "cup" and out.results[0].hypothesis.score > 0.5
        assert abs(out.bbox.center.position.x - CUP[0]) < 6 and abs(out.bbox.size_x - 2 * HALF) < 12


def test_a_late_box_is_applied_to_its_own_image(detector: Detector, robot: Robot) -> None:
    detector.see_until(bool, detection(CUP))  # the transport is connected
    robot.drop_objects()
    headers = [robot.show(pixels=render((70 + 10 * i, 100))).header for i in range(11)]
    detector.send(headers[0], detection((70, 100)))
    robot.wait_for_event(TrackEvent.STARTED)
    tracks = robot.wait_for(lambda: robot.show(pixels=render((180, 100))).tracks, "track")
    assert abs(tracks[0].box.x_min - 150) < 10


def test_only_the_classes_in_detection_classes_start_objects(detector: Detector, robot: Robot) -> None:
    assert robot.set_parameter("detection_classes", "bowl, Cup").successful
    try:
        tracks = detector.see_until(bool, detection(CUP), detection(OTHER, "person"))
        assert [track.label for track in tracks] == ["cup"]
        assert "of a class not in detection_classes" in detector.diagnostic("boxes ignored")
    finally:
        robot.set_parameter("detection_classes", "")


def test_unusable_boxes_are_reported_and_the_others_count(detector: Detector, robot: Robot) -> None:
    tracks = detector.see_until(
        bool,
        detection((900, 100)),
        detection(OTHER, size=0.0),
        detection(OTHER, score=math.nan),
        detection(CUP),
    )
    assert [track.label for track in tracks] == ["cup"]
    robot.wait_for_log("of 4 boxes some are ignored: 1 not finite, 1 empty, 1 outside the image. Expected at most 100")
    assert "1 outside the image" in robot.wait_for(
        lambda: "outside" in robot.diagnostics[-1].status[0].message and robot.diagnostics[-1].status[0].message,
        "diagnostics",
    )


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (dict(score=0.0), "1 with score 0"),
        (dict(square=(0.25, 0.42), size=0.2), "1 within one pixel (0..1 instead of pixels?)"),
    ],
    ids=["no score", "normalised"],
)
def test_a_detector_without_usable_boxes_causes_a_warning(
    detector: Detector, robot: Robot, fault: dict[str, Any], found: str
) -> None:
    def warned() -> bool:
        detector.see(detection(**{"square": CUP, **fault}))
        status = robot.diagnostics[-1].status[0]
        return status.level == status.WARN and found in status.message and found in robot.tracker.log

    robot.wait_for(warned, "warning")
    message = robot.diagnostics[-1].status[0].message
    assert "each with centre and size in pixels of the tracker's image and a score above 0" in message


def test_of_hundreds_of_boxes_the_best_are_used(detector: Detector, robot: Robot) -> None:
    many = [detection((x, y), "speck", 0.6, size=4.0) for x in range(2, 318, 8) for y in range(2, 238, 20)]
    warning = f"{len(many) + 1 - 100} beyond the limit of boxes per array"
    detector.see_until(
        lambda tracks: (
            "cup" in [track.label for track in tracks] and warning in robot.diagnostics[-1].status[0].message
        ),
        *many,
        detection(CUP),
    )


def test_detections_of_another_camera_are_refused(detector: Detector, robot: Robot) -> None:
    header = robot.show(pixels=render(CUP)).header
    header.frame_id = "rear_camera"

    def is_refused() -> bool:
        detector.send(header, detection(CUP))
        return "their frame_id is 'rear_camera', expected 'optical'" in robot.tracker.log

    robot.wait_for(is_refused, "refusal")
    assert robot.show(pixels=render(CUP)).tracks == []


@pytest.mark.parametrize(
    ("stamp", "warning"),
    [
        (0.0, "they have no stamp"),
        (1000.0, "no buffered frame is stamped 1000.000000"),
        (2e9, "did not arrive within prompt_timeout"),
    ],
)
def test_detections_without_their_image_are_refused_with_the_reason(
    detector: Detector, robot: Robot, stamp: float, warning: str
) -> None:
    header = robot.show(pixels=render(CUP)).header
    header.stamp = nearest_time(stamp)

    def is_diagnosed() -> bool:
        detector.send(header, detection(CUP))
        return warning in robot.diagnostics[-1].status[0].message

    robot.wait_for(is_diagnosed, f"diagnosis of {warning!r}")
    assert robot.show(pixels=render(CUP)).tracks == []
    assert int(detector.diagnostic("detections refused")) > 0


def test_a_flood_of_detections_does_not_block_prompts(detector: Detector, robot: Robot) -> None:
    header = robot.show(pixels=render(CUP, OTHER)).header
    header.stamp = nearest_time(2e9)  # these wait until prompt_timeout
    for _ in range(200):
        detector.send(header, detection(CUP))
        time.sleep(0.001)
    answer = robot.add(clicks=[robot.middle])
    assert answer.success, answer.message
    robot.wait_for(lambda: int(detector.diagnostic("detections dropped") or 0) > 20, "dropped detections")


def test_two_detectors_on_one_topic_cause_a_warning(detector: Detector, robot: Robot) -> None:
    second = detector.new_publisher()
    robot.wait_for(second.get_subscription_count, "subscription to the second detector")
    warning = "2 detectors publish on /sam2_tracker/detections"
    detector.see_until(lambda _: warning in robot.tracker.log, detection(CUP))
    robot.node.destroy_publisher(second)


def test_waiting_detections_do_not_block_deactivation(detector: Detector, robot: Robot) -> None:
    header = robot.show(pixels=render(CUP)).header
    header.stamp = nearest_time(2e9)
    for _ in range(3):
        detector.send(header, detection(CUP))
    assert robot.change("deactivate", "activate") == [True, True]
    robot.wait_for(detector.publisher.get_subscription_count, "subscription to detections")
    assert [track.label for track in detector.see_until(bool, detection(CUP))] == ["cup"]


def test_an_object_without_detections_is_removed(detector: Detector, robot: Robot) -> None:
    assert robot.set_parameter("detection_retire_after", 0.1).successful
    try:
        detector.see_until(bool, detection(CUP))
        detector.see_until(lambda tracks: not tracks)
        assert "no matching detection for" in robot.wait_for_event(TrackEvent.REMOVED).reason
    finally:
        robot.set_parameter("detection_retire_after", 0.0)


def test_detections_false_creates_no_topics(start: Callable[..., Robot]) -> None:
    robot = start("without", detections="false")
    robot.bring_up()
    assert robot.node.count_subscribers("/without/detections") == 0
    assert robot.node.count_publishers("/without/detections_out") == 0


def test_without_vision_msgs_the_node_logs_that_and_runs(
    start: Callable[..., Robot], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hidden = tmp_path / "vision_msgs"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError('hidden by a test')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    robot = start("alone", is_forked=False)
    robot.bring_up()
    robot.wait_for_log("detector boxes (detections) needs the ROS package vision_msgs, which cannot be imported")
    assert "ros-$ROS_DISTRO-vision-msgs" in robot.tracker.log
    robot.show()
    assert robot.add(clicks=[robot.middle]).success


# ---- a detector of another message type


def test_a_detector_of_another_message_type_is_reported_in_diagnostics_and_log(start: Callable[..., Robot]) -> None:
    robot = start("mistyped")
    robot.bring_up()
    context = rclpy.Context()
    context.init()
    driver = Node("driver", context=context)
    driver.create_publisher(TrackArray, "/mistyped/detections", 1)

    def status() -> str:
        robot.show()
        return robot.diagnostics[-1].status[0].message

    reason = (
        "/mistyped/detections is published as sam2_ros/msg/TrackArray, expected vision_msgs/msg/Detection2DArray: "
        "choose a detector that publishes vision_msgs"
    )
    robot.wait_for(lambda: reason in status(), "warning about the type")
    assert robot.diagnostics[-1].status[0].level == DiagnosticStatus.WARN
    robot.wait_for_log(reason)
    driver.destroy_node()
    context.shutdown()
    robot.wait_for(lambda: status() == "tracking", "status")
