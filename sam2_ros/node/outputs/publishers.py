"""The node's publishers. Topics without subscribers are not computed."""

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
from sam2_ros.node.goals import Goals
from sam2_ros.node.outputs.depth import DepthPublishers
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.types import TrackingOutput
from sam2_ros.tracking.types import Event

if TYPE_CHECKING:
    from sam2_ros.node.outputs.detections import DetectionPublisher


class Publishers:
    """Publishes the results of one image, all with the image's header."""

    def __init__(
        self, node: LifecycleNode, parameters: Parameters, lifter: Lifter | None = None, goals: Goals | None = None
    ) -> None:
        """Without a lifter, the topics that need depth do not exist. Results are passed on to the `goals`."""
        self._node = node
        self._goals = Goals() if goals is None else goals
        results = qos.profile(parameters.publish_reliability, parameters.publish_depth)
        events = qos.profile("reliable", qos.EVENT_QUEUE_SIZE)
        self._tracks = node.create_lifecycle_publisher(TrackArray, "~/tracks", **qos.overridable(results))
        self._masks = node.create_lifecycle_publisher(Image, "~/masks", **qos.overridable(results))
        self._target_mask = node.create_lifecycle_publisher(Image, "~/target_mask", **qos.overridable(results))
        self._overlay = node.create_lifecycle_publisher(Image, "~/overlay", **qos.overridable(results))
        self._events = node.create_lifecycle_publisher(TrackEvent, "~/events", **qos.overridable(events))
        self._colours = ObjectColours()
        self._depth_publishers = DepthPublishers(node, results, lifter, self._colours) if lifter else None
        self._detections: DetectionPublisher | None = None
        if parameters.detections and not features.import_error("vision_msgs"):
            from sam2_ros.node.outputs.detections import DetectionPublisher

            self._detections = DetectionPublisher(node, results)
        self._times: dict[float, Time] = {}  # exact header stamps by their seconds
        self._recent: deque[float] = deque(maxlen=parameters.history)  # stamps that a prompt can still refer to
        self._labels: dict[int, str] = {}

    def publish(self, output: TrackingOutput) -> None:
        """Publish the results of one image, then its events, also where a result cannot be published."""
        self._labels |= output.labels
        try:
            self._publish_results(output)
        finally:
            for event in output.events:
                label = self._labels.get(event.track_id, "")
                self.publish_event(event, output.image.header.frame_id, label)
            self._drop_unused(output)

    def _publish_results(self, output: TrackingOutput) -> None:
        result, header = output.result, output.image.header
        self._times[result.stamp] = header.stamp
        if result.stamp not in self._recent:
            self._recent.append(result.stamp)
        is_subscribed = qos.has_subscribers(self._tracks)
        with_tracks = is_subscribed or len(self._goals) > 0
        lifted = self._depth_publishers.publish(output, with_positions=with_tracks) if self._depth_publishers else None
        if with_tracks:
            cropped = self._node.get_parameter("publish_cropped_masks").value
            tracks = messages.track_array(result, header, self._time_of, cropped, lifted)
            if is_subscribed:
                self._tracks.publish(tracks)
            self._goals.update(tracks, output)
        if qos.has_subscribers(self._masks):
            self._masks.publish(messages.image_message(result.label_image, "mono8", header))
        if qos.has_subscribers(self._target_mask):
            target = output.target
            mask = np.zeros(result.size, bool) if target is None else target.mask
            self._target_mask.publish(messages.mask_message(mask, header))
        if qos.has_subscribers(self._overlay):
            self._colours.update(output.image.rgb, result)
            pixels = overlay.draw(output.image.rgb, result, self._colours)
            self._overlay.publish(messages.image_message(pixels, "rgb8", header))
        if self._detections:
            self._detections.publish(result, header)

    def publish_event(self, event: Event, frame_id: str, label: str) -> None:
        """Publish an event."""
        self._events.publish(messages.event_message(event, frame_id, label, self._time_of))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._tracks, self._masks, self._target_mask, self._overlay, self._events):
            self._node.destroy_lifecycle_publisher(publisher)
        if self._depth_publishers:
            self._depth_publishers.destroy()
        if self._detections:
            self._detections.destroy()

    def _time_of(self, stamp: float) -> Time:
        return self._times.get(stamp) or messages.nearest_time(stamp)

    def _drop_unused(self, output: TrackingOutput) -> None:
        """Keep the stamps and labels that later images can refer to."""
        tracks = output.result.tracks
        needed = {*self._recent, *(track.last_seen for track in tracks)}
        self._times = {stamp: time for stamp, time in self._times.items() if stamp in needed}
        self._labels = dict(output.labels)
