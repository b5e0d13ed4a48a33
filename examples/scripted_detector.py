#!/usr/bin/env python3
"""A detector in a few lines: boxes around everything of one colour, with the header of their image.

ros2 launch sam2_ros track.launch.py image:=/camera/image_raw detections:=/detections
python3 scripted_detector.py --label cup --hue 0,12 --ros-args -r image:=/camera/image_raw
"""

import argparse
import contextlib

import cv2
import rclpy
from rclpy.qos import qos_profile_sensor_data
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam2_ros.media.ros_images import to_rgb

MIN_AREA = 100  # pixels

parser = argparse.ArgumentParser(description="Detects regions of one colour.")
parser.add_argument("--label", default="thing", help="class of the detections")
parser.add_argument("--hue", default="0,12", help="from,to as OpenCV counts: 0..180 around the colour circle, 0 is red")
args = parser.parse_args(remove_ros_args()[1:])
low, high = map(int, args.hue.split(","))


def detect(image: Image) -> None:
    """Publishes one array for each image, also an empty one: the tracker counts images without a detection."""
    hsv = cv2.cvtColor(to_rgb(image), cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, (low, 120, 60), (high, 255, 255))
    array = Detection2DArray(header=image.header)
    for x, y, width, height, area in cv2.connectedComponentsWithStats(mask)[2][1:].tolist():
        if area < MIN_AREA:
            continue
        found = ObjectHypothesisWithPose()
        found.hypothesis.class_id, found.hypothesis.score = args.label, area / (width * height)
        box = Detection2D(header=image.header, results=[found])
        box.bbox.center.position.x, box.bbox.center.position.y = x + width / 2, y + height / 2
        box.bbox.size_x, box.bbox.size_y = float(width), float(height)
        array.detections.append(box)
    detections.publish(array)


rclpy.init()
node = rclpy.create_node("scripted_detector")
detections = node.create_publisher(Detection2DArray, "detections", 10)
node.create_subscription(Image, "image", detect, qos_profile_sensor_data)
with contextlib.suppress(KeyboardInterrupt):
    rclpy.spin(node)
