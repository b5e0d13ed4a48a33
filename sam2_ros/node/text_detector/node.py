"""The node `sam2_text_detector`: searches images for words, and publishes boxes with the stamp of their image.

The executor's thread only receives and decides which images are searched; the model runs on the worker's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from sam2_ros.detection.types import Detection
from sam2_ros.node import parameters, qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.detections import found_detections
from sam2_ros.node.conversions.messages import StampRangeError
from sam2_ros.node.diagnostics import ERROR, OK, WARN, Component, Status, device_values, diagnostic_array
from sam2_ros.node.inputs.camera import Camera
from sam2_ros.node.log import THROTTLE_PERIOD
from sam2_ros.node.parameters.table import table_of
from sam2_ros.node.parameters.values import ParameterError
from sam2_ros.node.text_detector.lost_objects import LostObjects
from sam2_ros.node.text_detector.parameters import TextParameters
from sam2_ros.node.text_detector.worker import Callbacks, Search, SearchWorker
from sam2_ros.text.detector import TextDetector
from sam2_ros.text.loading import load_text_detector
from sam2_ros.text.schedule import SearchSchedule
from sam2_ros.text.words import WordsError, parse_words
from sam2_ros.tracking.device import choose_device

NAME = "sam2_text_detector"
_TABLE = table_of(TextParameters)
_FIXED = "while the node runs: restart it with another value"
_DIAGNOSTICS_PERIOD = 1.0  # seconds
_QUEUE_SIZE = 10  # words, and arrays of detections


class TextDetectorNode(Node):
    """Raises ParameterError for an invalid parameter override."""

    def __init__(self, on_failure: Callable[[], object]) -> None:
        """`on_failure` is called on another thread where the model cannot be loaded."""
        try:
            super().__init__(NAME)
        except ParameterException as error:  # about use_sim_time, which rclpy declares itself
            raise ParameterError(f"{error}; expected true or false") from error
        self._on_failure = on_failure
        values = parameters.declare_table(self, TextParameters)
        phrases = _phrases(values.words)
        self._schedule = SearchSchedule()
        self._lost = LostObjects(self)
        self._device: Any = None  # once the model is loaded
        self._received = 0  # images
        self._detections = self.create_publisher(Detection2DArray, "~/detections", qos.profile("reliable", _QUEUE_SIZE))
        self._worker = SearchWorker(
            lambda: load_text_detector(values.model, choose_device(values.device)),
            Callbacks(self._on_loaded, self._on_load_failure, self._publish, self._warn),
        )
        self._worker.set_phrases(phrases)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.create_subscription(String, "~/words", self._on_words, qos.profile("reliable", _QUEUE_SIZE))
        self._camera = Camera(self, values, self._on_image)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._on_diagnostics, clock=steady)

    def stop(self, timeout: float) -> None:
        """Wait for the search that runs, for `timeout` seconds at most."""
        self._worker.close(timeout)

    # ---- images

    def _on_image(self, message: Any) -> None:
        self._received += 1
        if not self._worker.is_ready or not qos.has_subscribers(self._detections):
            return
        try:
            stamp = messages.seconds(message.header.stamp)
        except StampRangeError as error:
            self._warn(f"cannot read an image: {error}")
            return
        values = parameters.read_table(self, TextParameters)
        lost = self._lost.named(self._worker.phrases)
        if self._schedule.is_due(stamp, lost, values.rates):
            self._schedule.note(stamp, lost)
            self._worker.put(Search(message, values.detector))

    def _publish(self, image: Any, detections: Sequence[Detection]) -> None:
        """On the worker's thread."""
        self._detections.publish(found_detections(detections, image.header))

    # ---- words

    def _on_words(self, message: String) -> None:
        result = self.set_parameters([Parameter("words", value=message.data)])[0]
        if not result.successful:
            self.get_logger().warning(f"~/words is ignored, still {_searching(self._worker.phrases)}: {result.reason}")

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            parameters.check_changes(changes, _FIXED, _TABLE)
            words = [change.value for change in changes if change.name == "words"]
            if words:
                self._set_words(words[-1])
        except (ParameterError, WordsError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _set_words(self, text: str) -> None:
        phrases = _phrases(text)
        self._worker.set_phrases(phrases)
        self._schedule.restart()
        self.get_logger().info(_searching(phrases))

    # ---- the worker's reports, on its thread

    def _on_loaded(self, detector: TextDetector) -> None:
        self._device = detector.device
        self.get_logger().info(
            f"loaded {detector.family.name} on {detector.device}; {_searching(self._worker.phrases)}"
        )

    def _on_load_failure(self, reason: str) -> None:
        self.get_logger().fatal(f"cannot start: {reason}")
        self._on_failure()

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=THROTTLE_PERIOD)

    # ---- diagnostics

    def _on_diagnostics(self) -> None:
        counts = self._worker.counts
        values = {
            **device_values(self._device),
            "words": ". ".join(self._worker.phrases),
            "images received": str(self._received),
            "images searched": str(counts.searched),
            "images replaced by newer ones": str(counts.replaced),
            "failed searches": str(counts.failures),
            "boxes": str(counts.boxes),
            "seconds of the last search": f"{counts.seconds:.3f}",
        }
        searching = Component("searching", self._status(), values["device"], values)
        self._diagnostics.publish(diagnostic_array(self, [searching]))

    def _status(self) -> Status:
        if self._device is None:
            return Status(OK, "loading the model")
        if self._worker.counts.error:
            return Status(ERROR, self._worker.counts.error)
        if self._camera.silence > self.get_parameter("image_timeout").value:
            reason = self._camera.explain_silence()
            self._warn(reason)
            return Status(WARN, reason)
        if not qos.has_subscribers(self._detections):
            return Status(WARN, f"nobody subscribes to {self._detections.topic_name}, so nothing is searched")
        return Status(OK, _searching(self._worker.phrases))


def _phrases(text: str) -> tuple[str, ...]:
    """Raises WordsError; none for an empty text."""
    return parse_words(text) if text.strip() else ()


def _searching(phrases: Sequence[str]) -> str:
    return f"searching for '{'. '.join(phrases)}'" if phrases else "searching for nothing"
