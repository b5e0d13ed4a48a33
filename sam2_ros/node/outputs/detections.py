"""The publishers of ~/detections_out and ~/detections_3d. Need vision_msgs."""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray

from sam2_ros.node import qos
from sam2_ros.node.conversions.detections import detection_array, detection_array_3d
from sam2_ros.node.types import LiftedObjects
from sam2_ros.tracking.types import FrameResult


class DetectionPublisher:
    """Publishes the visible tracks as detections with persistent ids."""

    def __init__(self, node: LifecycleNode, profile: QoSProfile) -> None:
        self._node = node
        self._publisher = node.create_lifecycle_publisher(
            Detection2DArray, "~/detections_out", **qos.overridable(profile)
        )

    def publish(self, result: FrameResult, header: Header) -> None:
        """Publish the tracks of one image where there is a subscriber."""
        if qos.has_subscribers(self._publisher):
            self._publisher.publish(detection_array(result, header))

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)


class Detection3DPublisher:
    """Publishes the objects that depth measures, with the ids of the tracks."""

    def __init__(self, node: LifecycleNode, profile: QoSProfile) -> None:
        self._node = node
        self._publisher = node.create_lifecycle_publisher(
            Detection3DArray, "~/detections_3d", **qos.overridable(profile)
        )

    @property
    def is_subscribed(self) -> bool:
        """Whether objects have to be lifted for it."""
        return qos.has_subscribers(self._publisher)

    def publish(self, result: FrameResult, lifted: LiftedObjects) -> None:
        """Publish the objects of one image where there is a subscriber."""
        if self.is_subscribed:
            self._publisher.publish(detection_array_3d(result, lifted))

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)
