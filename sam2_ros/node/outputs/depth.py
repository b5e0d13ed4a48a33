"""The topics that need depth."""

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
from sam2_ros.node.outputs.lifter import Lifted, Lifter
from sam2_ros.node.outputs.markers import Markers
from sam2_ros.node.session import Publication


class DepthOutputs:
    """Publishes for each image whose depth can be used; markers stay where they are on the others."""

    def __init__(self, node: LifecycleNode, profile: QoSProfile, lifter: Lifter, colours: ObjectColours) -> None:
        self._node = node
        self._lifter = lifter
        self._points = node.create_lifecycle_publisher(PointCloud2, "~/points", profile)
        self._target_depth = node.create_lifecycle_publisher(Image, "~/target_depth", profile)
        self._markers = node.create_lifecycle_publisher(MarkerArray, "~/markers", profile)
        self._colours = colours
        self._drawing = Markers(colours)

    def publish(self, publication: Publication, with_positions: bool) -> Lifted | None:
        """Returns the lifted objects if `with_positions`, or if they had to be lifted anyway."""
        is_drawn = qos.is_wanted(self._markers)
        lifted = self._lifted(publication, with_positions or is_drawn)
        if is_drawn:
            self._colours.update(publication.view.rgb, publication.result)
            message = self._drawing.update(publication.result, publication.view.header, lifted)
            if message.markers:
                self._markers.publish(message)
        return lifted

    def _lifted(self, publication: Publication, with_positions: bool) -> Lifted | None:
        is_lifted = with_positions or qos.is_wanted(self._points)
        if not is_lifted and not qos.is_wanted(self._target_depth):
            return None
        depth = self._lifter.depth(publication)
        if depth is None:
            return None
        if qos.is_wanted(self._target_depth):
            target, header = publication.target, publication.view.header
            pixels = depth.only(np.zeros(publication.result.size, bool) if target is None else target.mask)
            encoding = "32FC1" if pixels.dtype.kind == "f" else "16UC1"
            self._target_depth.publish(messages.image_message(pixels, encoding, header))
        lifted = self._lifter.lift(publication, depth) if is_lifted else None
        if lifted is not None and qos.is_wanted(self._points):
            self._points.publish(cloud_message(lifted.surfaces, publication.view.rgb, lifted.header))
        return lifted

    def destroy(self) -> None:
        """Takes the topics away."""
        for publisher in (self._points, self._target_depth, self._markers):
            self._node.destroy_lifecycle_publisher(publisher)
