#!/usr/bin/env python3
"""Converts the detections of yolo_ros (yolo_msgs/DetectionArray) to vision_msgs/Detection2DArray.

ros2 launch sam2_ros track.launch.py image:=/camera/image_raw detections:=/yolo/boxes
python3 yolo_msgs_to_vision_msgs.py --ros-args -r detections:=/yolo/detections -r boxes:=/yolo/boxes
"""

import contextlib
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import qos_profile_sensor_data
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose


def converted(message: Any) -> Detection2DArray:
    """The same boxes, with the header of their image."""
    array = Detection2DArray(header=message.header)
    for detection in message.detections:
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = detection.class_name
        hypothesis.hypothesis.score = detection.score
        box = Detection2D(header=message.header, id=detection.id, results=[hypothesis])
        center, size = detection.bbox.center, detection.bbox.size
        box.bbox.center.position.x, box.bbox.center.position.y = center.position.x, center.position.y
        box.bbox.center.theta = center.theta
        box.bbox.size_x, box.bbox.size_y = size.x, size.y
        array.detections.append(box)
    return array


def main() -> None:
    from yolo_msgs.msg import DetectionArray

    rclpy.init()
    node = rclpy.create_node("yolo_msgs_to_vision_msgs")
    boxes = node.create_publisher(Detection2DArray, "boxes", 10)
    node.create_subscription(
        DetectionArray, "detections", lambda message: boxes.publish(converted(message)), qos_profile_sensor_data
    )
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()
