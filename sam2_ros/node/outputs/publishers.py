"""The node's publishers. Topics without subscribers are not computed."""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image

from sam2_ros.media import overlay
from sam2_ros.media.colours import ObjectColours
from sam2_ros.msg import Prompt, TrackArray, TrackEvent
from sam2_ros.node import features, qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.depth import image_size_of
from sam2_ros.node.goals import Goals
from sam2_ros.node.outputs.depth import DepthPublishers
from sam2_ros.node.outputs.images import JPEG, PNG, ImagePublisher
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.types import LiftedObjects, TrackingOutput
from sam2_ros.tracking.types import Event

if TYPE_CHECKING:
    from sam2_ros.node.outputs.detections import Detection3DPublisher, DetectionPublisher


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
        self._masks = ImagePublisher(node, "~/masks", results, PNG)
        self._camera_info = node.create_lifecycle_publisher(CameraInfo, "~/camera_info", **qos.overridable(results))
        self._target_mask = node.create_lifecycle_publisher(Image, "~/target_mask", **qos.overridable(results))
        self._overlay = ImagePublisher(node, "~/overlay", results, JPEG)
        self._events = node.create_lifecycle_publisher(TrackEvent, "~/events", **qos.overridable(events))
        self._prompts = node.create_lifecycle_publisher(Prompt, "~/applied_prompts", **qos.overridable(events))
        self._colours = ObjectColours()
        self._depth_publishers = DepthPublishers(node, results, lifter, self._colours) if lifter else None
        self._detections: DetectionPublisher | None = None
        if parameters.detections and not features.import_error("vision_msgs"):
            from sam2_ros.node.outputs.detections import DetectionPublisher

            self._detections = DetectionPublisher(node, results)
        self._detections_3d: Detection3DPublisher | None = None
        if lifter and not features.import_error("vision_msgs"):
            from sam2_ros.node.outputs.detections import Detection3DPublisher

            self._detections_3d = Detection3DPublisher(node, results)
        self._times: dict[float, Time] = {}  # exact header stamps by their seconds
        self._recent: deque[float] = deque(maxlen=parameters.history)  # stamps that a prompt can still refer to
        self._labels: dict[int, str] = {}

    def publish(self, output: TrackingOutput) -> None:
        """Publish the results of one image, then events and prompts, also where a result cannot be published."""
        self._labels |= output.labels
        try:
            self._publish_results(output)
        finally:
            for event in output.events:
                label = self._labels.get(event.track_id, "")
                self.publish_event(event, output.image.header.frame_id, label)
            if qos.has_subscribers(self._prompts):
                for applied in output.prompts:
                    self._prompts.publish(messages.prompt_message(applied))
            self._drop_unused(output)

    def _publish_results(self, output: TrackingOutput) -> None:
        result, header = output.result, output.image.header
        self._times[result.stamp] = header.stamp
        if result.stamp not in self._recent:
            self._recent.append(result.stamp)
        is_subscribed = qos.has_subscribers(self._tracks)
        with_tracks = is_subscribed or len(self._goals) > 0
        lifted = self._publish_lifted(output, with_tracks)
        if with_tracks:
            cropped = self._node.get_parameter("publish_cropped_masks").value
            tracks = messages.track_array(result, header, self._time_of, cropped, lifted)
            if is_subscribed:
                self._tracks.publish(tracks)
            self._goals.update(tracks, output)
        self._masks.publish(lambda: result.label_image, header)
        self._publish_camera_info(output)
        if qos.has_subscribers(self._target_mask):
            target = output.target
            mask = np.zeros(result.size, bool) if target is None else target.mask
            self._target_mask.publish(messages.mask_message(mask, header))
        self._overlay.publish(lambda: self._draw_overlay(output), header)
        if self._detections:
            self._detections.publish(result, header)

    def _publish_lifted(self, output: TrackingOutput, with_tracks: bool) -> LiftedObjects | None:
        """The objects in 3-D where depth measures them and an output needs them."""
        if self._depth_publishers is None:
            return None
        with_detections = self._detections_3d is not None and self._detections_3d.is_subscribed
        lifted = self._depth_publishers.publish(output, with_positions=with_tracks or with_detections)
        if lifted is not None and self._detections_3d is not None:
            self._detections_3d.publish(output.result, lifted)
        return lifted

    @property
    def needs_camera_info(self) -> bool:
        """Whether ~/camera_info has subscribers."""
        return qos.has_subscribers(self._camera_info)

    def _publish_camera_info(self, output: TrackingOutput) -> None:
        """That of the camera, with the header of the masks."""
        infos = output.image.camera_infos
        info = infos.for_size(output.result.size) if infos and self.needs_camera_info else None
        if info is not None and image_size_of(info) == output.result.size:
            matching = copy(info)
            matching.header = output.image.header
            self._camera_info.publish(matching)

    def _draw_overlay(self, output: TrackingOutput) -> np.ndarray:
        self._colours.update(output.image.rgb, output.result)
        return overlay.draw(output.image.rgb, output.result, self._colours)

    def publish_event(self, event: Event, frame_id: str, label: str) -> None:
        """Publish an event."""
        self._events.publish(messages.event_message(event, frame_id, label, self._time_of))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._tracks, self._camera_info, self._target_mask, self._events, self._prompts):
            self._node.destroy_lifecycle_publisher(publisher)
        self._masks.destroy()
        self._overlay.destroy()
        if self._depth_publishers:
            self._depth_publishers.destroy()
        if self._detections:
            self._detections.destroy()
        if self._detections_3d:
            self._detections_3d.destroy()

    def _time_of(self, stamp: float) -> Time:
        return self._times.get(stamp) or messages.nearest_time(stamp)

    def _drop_unused(self, output: TrackingOutput) -> None:
        """Keep the stamps and labels that later images can refer to."""
        tracks = output.result.tracks
        needed = {*self._recent, *(track.last_seen for track in tracks)}
        self._times = {stamp: time for stamp, time in self._times.items() if stamp in needed}
        self._labels = dict(output.labels)
