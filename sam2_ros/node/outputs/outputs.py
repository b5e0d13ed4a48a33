"""The topics that the node publishes. What nobody subscribes to is not computed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

from sam2_ros.media import overlay
from sam2_ros.media.colours import ObjectColours
from sam2_ros.msg import TrackArray, TrackEvent
from sam2_ros.node import features, qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.outputs.depth import DepthOutputs
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.types import TrackingOutput
from sam2_ros.tracking.types import Event

if TYPE_CHECKING:
    from sam2_ros.node.inputs.detections import DetectionOutput


class Outputs:
    """Publishes the results of one frame, all with the header of its image."""

    def __init__(self, node: LifecycleNode, parameters: Parameters, lifter: Lifter | None = None) -> None:
        """With a lifter there are topics that need depth."""
        self._node = node
        results = qos.profile(parameters.publish_reliability, parameters.publish_depth)
        events = qos.profile("reliable", qos.EVENTS_KEPT)
        self._tracks = node.create_lifecycle_publisher(TrackArray, "~/tracks", results)
        self._masks = node.create_lifecycle_publisher(Image, "~/masks", results)
        self._target_mask = node.create_lifecycle_publisher(Image, "~/target_mask", results)
        self._overlay = node.create_lifecycle_publisher(Image, "~/overlay", results)
        self._events = node.create_lifecycle_publisher(TrackEvent, "~/events", events)
        self._colours = ObjectColours()
        self._in_depth = DepthOutputs(node, results, lifter, self._colours) if lifter else None
        self._detections: DetectionOutput | None = None
        if parameters.detections and not features.problem_with("vision_msgs"):
            from sam2_ros.node.inputs.detections import DetectionOutput

            self._detections = DetectionOutput(node, results)
        self._times: dict[float, Time] = {}  # the exact stamps behind the tracker's seconds
        self._recent: deque[float] = deque(maxlen=parameters.history)  # those that a prompt can still refer to
        self._labels: dict[int, str] = {}

    def publish(self, output: TrackingOutput) -> None:
        """The results for one image, then what happened on it, also where a result cannot be published."""
        self._labels |= output.labels
        try:
            self._publish_results(output)
        finally:
            for event in output.events:
                label = self._labels.get(event.track_id, "")
                self.publish_event(event, output.image.header.frame_id, label)
            self._forget_what_is_over(output)

    def _publish_results(self, output: TrackingOutput) -> None:
        result, header = output.result, output.image.header
        self._times[result.stamp] = header.stamp
        if result.stamp not in self._recent:
            self._recent.append(result.stamp)
        is_tracks_wanted = qos.is_wanted(self._tracks)
        lifted = self._in_depth.publish(output, with_positions=is_tracks_wanted) if self._in_depth else None
        if is_tracks_wanted:
            cropped = self._node.get_parameter("publish_cropped_masks").value
            self._tracks.publish(messages.track_array(result, header, self._time_of, cropped, lifted))
        if qos.is_wanted(self._masks):
            self._masks.publish(messages.image_message(result.label_image, "mono8", header))
        if qos.is_wanted(self._target_mask):
            target = output.target
            mask = np.zeros(result.size, bool) if target is None else target.mask
            self._target_mask.publish(messages.mask_message(mask, header))
        if qos.is_wanted(self._overlay):
            self._colours.update(output.image.rgb, result)
            picture = overlay.draw(output.image.rgb, result, self._colours)
            self._overlay.publish(messages.image_message(picture, "rgb8", header))
        if self._detections:
            self._detections.publish(result, header)

    def publish_event(self, event: Event, frame_id: str, label: str) -> None:
        """Something that happened."""
        self._events.publish(messages.event_message(event, frame_id, label, self._time_of))

    def destroy(self) -> None:
        """Takes the topics away."""
        for publisher in (self._tracks, self._masks, self._target_mask, self._overlay, self._events):
            self._node.destroy_lifecycle_publisher(publisher)
        if self._in_depth:
            self._in_depth.destroy()
        if self._detections:
            self._detections.destroy()

    def _time_of(self, stamp: float) -> Time:
        return self._times.get(stamp) or messages.nearest_time(stamp)

    def _forget_what_is_over(self, output: TrackingOutput) -> None:
        """Keeps the stamps and labels that later frames still refer to."""
        tracks = output.result.tracks
        needed = {*self._recent, *(track.last_seen for track in tracks)}
        self._times = {stamp: moment for stamp, moment in self._times.items() if stamp in needed}
        self._labels = dict(output.labels)
