"""Publishers of the topics that need depth: ~/points, ~/target_depth and ~/markers."""

from __future__ import annotations

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from sam2_ros.media.colours import ObjectColours
from sam2_ros.node import qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.clouds import cloud_message
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.outputs.markers import Markers
from sam2_ros.node.types import LiftedObjects, TrackingOutput


class DepthPublishers:
    """Publishes for each image with valid depth; on other images markers stay at their last position."""

    def __init__(self, node: LifecycleNode, profile: QoSProfile, lifter: Lifter, colours: ObjectColours) -> None:
        self._node = node
        self._lifter = lifter
        self._points = node.create_lifecycle_publisher(PointCloud2, "~/points", **qos.overridable(profile))
        self._target_depth = node.create_lifecycle_publisher(Image, "~/target_depth", **qos.overridable(profile))
        self._markers = node.create_lifecycle_publisher(MarkerArray, "~/markers", **qos.overridable(profile))
        self._colours = colours
        self._marker_builder = Markers(colours)

    def publish(self, output: TrackingOutput, with_positions: bool) -> LiftedObjects | None:
        """Publish the topics that have subscribers. Returns the objects where they had to be lifted."""
        with_markers = qos.has_subscribers(self._markers)
        lifted = self._lift_and_publish(output, with_positions or with_markers)
        if with_markers:
            self._colours.update(output.image.rgb, output.result)
            message = self._marker_builder.update(output.result, output.image.header, lifted)
            if message.markers:
                self._markers.publish(message)
        return lifted

    def _lift_and_publish(self, output: TrackingOutput, with_positions: bool) -> LiftedObjects | None:
        is_lifted = with_positions or qos.has_subscribers(self._points)
        if not is_lifted and not qos.has_subscribers(self._target_depth):
            return None
        depth = self._lifter.depth(output)
        if depth is None:
            return None
        if qos.has_subscribers(self._target_depth):
            target, header = output.target, output.image.header
            pixels = depth.masked(np.zeros(output.result.size, bool) if target is None else target.mask)
            encoding = "32FC1" if pixels.dtype.kind == "f" else "16UC1"
            self._target_depth.publish(messages.image_message(pixels, encoding, header))
        lifted = self._lifter.lift(output, depth) if is_lifted else None
        if lifted is not None and qos.has_subscribers(self._points):
            self._points.publish(cloud_message(lifted.surfaces, output.image.rgb, lifted.header))
        return lifted

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._points, self._target_depth, self._markers):
            self._node.destroy_lifecycle_publisher(publisher)
