"""A detector's boxes, from vision_msgs to the tracker, and the tracks in the same form. Needs vision_msgs.

Detections wait for the image that they were made on. A detector can be faster than the tracker: then the newest
detections win, as images do, and never keep an image or a prompt waiting.
"""

from __future__ import annotations

import time
from collections import deque

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam2_ros.detection.messages import read_boxes
from sam2_ros.detection.types import DetectionConfig, DetectionReport, Ignored
from sam2_ros.node import qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.messages import StampRangeError
from sam2_ros.node.log import REPEAT
from sam2_ros.node.requests import Requests
from sam2_ros.node.session import Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.worker import JobRefused
from sam2_ros.tracking.types import FrameResult, PromptError

_WAITING = 4  # arrays of detections that wait at a time

# What the detector, or the way in which it is connected, is to blame for.
_FAULTS = (
    Ignored.NOT_FINITE,
    Ignored.EMPTY,
    Ignored.OUTSIDE,
    Ignored.NORMALISED,
    Ignored.UNSCORED,
    Ignored.SURPLUS,
)


class DetectionInput:
    """Subscribed from construction to `close`."""

    def __init__(self, node: Node, requests: Requests, statistics: Statistics) -> None:
        self._node = node
        self._requests = requests
        self._statistics = statistics
        self._waiting: deque[Detection2DArray] = deque()
        self._is_busy = False
        self._subscription = node.create_subscription(
            Detection2DArray,
            "~/detections",
            self._on_detections,
            qos.profile("best_effort", _WAITING),  # matches every detector
            callback_group=ReentrantCallbackGroup(),
        )

    @property
    def subscriptions(self) -> dict[str, Subscription]:
        """By the topic's name before remapping."""
        return {"~/detections": self._subscription}

    def close(self) -> None:
        """Unsubscribes."""
        self._waiting.clear()
        self._node.destroy_subscription(self._subscription)

    async def _on_detections(self, message: Detection2DArray) -> None:
        self._statistics.detections.received += 1
        self._look_for_others()
        if len(self._waiting) == _WAITING:
            self._waiting.popleft()
            self._statistics.detections.dropped += 1
        self._waiting.append(message)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._waiting:
                await self._apply(self._waiting.popleft())
        finally:
            self._is_busy = False

    async def _apply(self, message: Detection2DArray) -> None:
        try:
            stamp = messages.seconds(message.header.stamp)
            if not stamp:
                raise PromptError("they have no stamp, expected that of their image: let the detector copy its header")
            report = await self._requests.execute(
                lambda session: self._guide(session, message), stamp, keeps_image=False
            )
        except (PromptError, StampRangeError, JobRefused) as error:
            self._statistics.detections.refused += 1
            self._complain(f"detections are ignored: {error}")
        else:
            self._tell(report)

    def _guide(self, session: Session, message: Detection2DArray) -> DetectionReport:
        """On the worker's thread."""
        started = time.perf_counter()
        found, expected = message.header.frame_id, session.newest_image.header.frame_id if session.newest_image else ""
        if found and found != expected:  # some detectors leave it empty
            raise PromptError(
                f"they are in the frame {found!r}, the images in {expected!r}: does the detector look at another "
                "camera, or at an image that was rectified or resized?"
            )
        stamp = messages.seconds(message.header.stamp)
        report = session.apply_detections(read_boxes(message), stamp, config_of(self._node))
        self._statistics.detections.count(report, time.perf_counter() - started)
        return report

    def _tell(self, report: DetectionReport) -> None:
        logger = self._node.get_logger()
        for ids, what in (
            (report.started, "started by a detection"),
            (report.returned, "found again by a detection"),
            (report.corrected, "corrected by a detection"),
            (report.retired, "removed for want of detections"),
        ):
            for track_id in ids:
                logger.info(f"object {track_id} was {what}")
        faults = [f"{report.ignored[fault]} {fault.value}" for fault in _FAULTS if fault in report.ignored]
        if faults:
            self._complain(
                f"of {report.boxes} boxes some are ignored: {', '.join(faults)}. Expected at most "
                f"{DetectionConfig.max_boxes}, each with centre and size in pixels of the tracker's image and a score "
                "above 0 (detection_min_score 0 takes boxes without)"
            )
        elif Ignored.TRACKER_FULL in report.ignored:
            self._complain(f"boxes are ignored: {Ignored.TRACKER_FULL.value}; remove some, or raise max_objects")
        else:
            self._statistics.detections.problem = ""

    def _complain(self, problem: str) -> None:
        self._statistics.detections.problem = problem
        self._node.get_logger().warning(problem, throttle_duration_sec=REPEAT)

    def _look_for_others(self) -> None:
        topic = self._subscription.topic_name
        publishers = self._node.count_publishers(topic)
        if publishers > 1:
            self._node.get_logger().warning(
                f"{publishers} detectors publish on {topic}; their boxes are taken for those of one, and of two "
                "detectors that differ in delay the slower one is ignored: give each a topic, and remap ~/detections",
                throttle_duration_sec=REPEAT,
            )


class DetectionOutput:
    """Publishes the visible tracks as detections, with ids that stay."""

    def __init__(self, node: LifecycleNode, profile: QoSProfile) -> None:
        self._node = node
        self._publisher = node.create_lifecycle_publisher(Detection2DArray, "~/detections_out", profile)

    def publish(self, result: FrameResult, header: Header) -> None:
        """The results for one image, if anyone listens."""
        if qos.is_wanted(self._publisher):
            self._publisher.publish(detection_array(result, header))

    def destroy(self) -> None:
        """Takes the topic away."""
        self._node.destroy_lifecycle_publisher(self._publisher)


def config_of(node: Node) -> DetectionConfig:
    """What the parameters say at present."""
    value = {name: node.get_parameter(f"detection_{name}").value for name in _PARAMETERS}
    classes = tuple(filter(None, map(str.strip, value.pop("classes").split(","))))
    return DetectionConfig(classes=classes, **value)


_PARAMETERS = ("classes", "min_score", "min_hits", "max_per_class", "retire_after")


def detection_array(result: FrameResult, header: Header) -> Detection2DArray:
    """The visible tracks; the score is their presence, 0..1."""
    array = Detection2DArray(header=header)
    for track in sorted(result.tracks, key=lambda track: track.id):
        if track.box is None:
            continue
        detection = Detection2D(header=header, id=str(track.id))
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = track.label, float(track.presence)
        detection.results.append(hypothesis)
        box, bbox = track.box, detection.bbox
        bbox.center.position.x, bbox.center.position.y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        bbox.size_x, bbox.size_y = float(box.x1 - box.x0), float(box.y1 - box.y0)
        array.detections.append(detection)
    return array
