"""The subscription to a detector's boxes, ~/detections. Needs vision_msgs.

Detections wait for the image that they were made on. Where a detector is faster than the tracker, the newest detections
win as images do, and neither an image nor a prompt waits for them.
"""

from __future__ import annotations

import time
from collections import deque

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from vision_msgs.msg import Detection2DArray

from sam2_ros.detection.messages import read_boxes
from sam2_ros.detection.types import DetectionConfig, DetectionReport, Ignored
from sam2_ros.node import qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.messages import StampRangeError
from sam2_ros.node.inputs.receiver import Receiver
from sam2_ros.node.log import THROTTLE_PERIOD
from sam2_ros.node.requests import Requests
from sam2_ros.node.session import Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.worker import JobRefusedError
from sam2_ros.tracking.types import PromptError

_QUEUE_SIZE = 4  # arrays of detections

# Reasons that are the fault of the detector, or of the way in which it is connected.
_DETECTOR_FAULTS = (
    Ignored.NOT_FINITE,
    Ignored.EMPTY,
    Ignored.OUTSIDE,
    Ignored.NORMALISED,
    Ignored.UNSCORED,
    Ignored.NUMBERED,
    Ignored.NAMED,
    Ignored.SURPLUS,
)

_PARAMETERS = ("classes", "min_score", "min_hits", "max_per_class", "retire_after")


class DetectionInput:
    """Subscribed from construction to `close`."""

    def __init__(self, node: Node, requests: Requests, statistics: Statistics) -> None:
        self._node = node
        self._requests = requests
        self._statistics = statistics.detections
        self._queue: deque[Detection2DArray] = deque()
        self._is_busy = False
        self._receiver = Receiver(
            node,
            Detection2DArray,
            "~/detections",
            self._on_detections,
            qos.profile("best_effort", _QUEUE_SIZE),  # compatible with every detector
            callback_group=ReentrantCallbackGroup(),
        )

    @property
    def receivers(self) -> dict[str, Receiver]:
        """By the topic's name before remapping."""
        return {"~/detections": self._receiver}

    def close(self) -> None:
        """Unsubscribe."""
        self._queue.clear()
        self._receiver.close()

    async def _on_detections(self, message: Detection2DArray) -> None:
        self._statistics.received += 1
        self._check_publishers()
        if len(self._queue) == _QUEUE_SIZE:
            self._queue.popleft()
            self._statistics.dropped += 1
        self._queue.append(message)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._queue:
                await self._process(self._queue.popleft())
        finally:
            self._is_busy = False

    async def _process(self, message: Detection2DArray) -> None:
        try:
            stamp = messages.seconds(message.header.stamp)
            if not stamp:
                raise PromptError("they have no stamp, expected that of their image: let the detector copy its header")
            report = await self._requests.execute(
                lambda session: self._apply(session, message), stamp, keeps_image=False
            )
        except (PromptError, StampRangeError, JobRefusedError) as error:
            self._statistics.refused += 1
            self._warn(f"detections are ignored: {error}")
        else:
            self._log_report(report)

    def _apply(self, session: Session, message: Detection2DArray) -> DetectionReport:
        """On the worker's thread."""
        started = time.perf_counter()
        frame_id = message.header.frame_id
        expected = session.newest_image.header.frame_id if session.newest_image else ""
        if frame_id and frame_id != expected:  # some detectors leave it empty
            raise PromptError(
                f"their frame_id is {frame_id!r}, expected {expected!r} as in the images: does the detector subscribe "
                "to another camera, or to a rectified or resized image?"
            )
        stamp = messages.seconds(message.header.stamp)
        report = session.apply_detections(read_boxes(message), stamp, read_config(self._node))
        self._statistics.count(report, time.perf_counter() - started)
        return report

    def _log_report(self, report: DetectionReport) -> None:
        retire_after = self._node.get_parameter("detection_retire_after").value
        for ids, what in (
            (report.started, "started by a detection"),
            (report.returned, "reacquired by a detection"),
            (report.corrected, "corrected by a detection"),
            (report.retired, f"removed: no matching detection for {retire_after:.1f} s"),
        ):
            for track_id in ids:
                self._node.get_logger().info(f"object {track_id} {what}")
        faults = [f"{report.ignored[fault]} {fault.value}" for fault in _DETECTOR_FAULTS if fault in report.ignored]
        if faults:
            self._warn(
                f"of {report.boxes} boxes some are ignored: {', '.join(faults)}. Expected at most "
                f"{DetectionConfig.max_boxes}, each with centre and size in pixels of the tracker's image and a score "
                "above 0 (detection_min_score 0 accepts boxes without a score), and of a class in detection_classes"
            )
        elif Ignored.TRACKER_FULL in report.ignored:
            self._warn(f"boxes are ignored {Ignored.TRACKER_FULL.value}: remove some, or raise max_objects")
        else:
            self._statistics.warning = ""

    def _warn(self, warning: str) -> None:
        self._statistics.warning = warning
        self._node.get_logger().warning(warning, throttle_duration_sec=THROTTLE_PERIOD)

    def _check_publishers(self) -> None:
        topic = self._receiver.topic
        publishers = self._node.count_publishers(topic)
        if publishers > 1:
            self._node.get_logger().warning(
                f"{publishers} detectors publish on {topic}, expected one; the detections of the slower one are "
                "ignored: let each publish on its own topic, and remap ~/detections to one of them",
                throttle_duration_sec=THROTTLE_PERIOD,
            )


def read_config(node: Node) -> DetectionConfig:
    """The current values of the parameters detection_*."""
    value = {name: node.get_parameter(f"detection_{name}").value for name in _PARAMETERS}
    classes = tuple(filter(None, map(str.strip, value.pop("classes").split(","))))
    return DetectionConfig(classes=classes, **value)
