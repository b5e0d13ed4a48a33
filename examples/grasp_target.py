#!/usr/bin/env python3
"""Prints where to grasp an object: selects it, waits while it is not visible, and reads its point cloud.

ros2 launch sam2_ros track.launch.py image:=/camera/color/image_raw depth:=/camera/aligned_depth_to_color/image_raw
python3 grasp_target.py --click 320,240       (pixels; or --label cup, for an object that is tracked already)
"""

import argparse
from collections import deque
from typing import Any

import message_filters
import numpy as np
import rclpy
from sam2_ros.msg import Click, Prompt, Track, TrackArray
from sam2_ros.srv import AddObject, SelectObject
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import read_points

parser = argparse.ArgumentParser(description="Prints where to grasp an object.")
which = parser.add_mutually_exclusive_group(required=True)
which.add_argument("--click", type=lambda text: [float(part) for part in text.split(",")], metavar="X,Y")
which.add_argument("--label", help="of an object that is tracked already")
args = parser.parse_args()

rclpy.init()
node = rclpy.create_node("grasp_target")
newest: deque[tuple[TrackArray, PointCloud2]] = deque(maxlen=1)  # tracks and cloud of one image
topics = [(TrackArray, "sam2_tracker/tracks"), (PointCloud2, "sam2_tracker/points")]
both = message_filters.TimeSynchronizer([message_filters.Subscriber(node, *topic) for topic in topics], 10)
both.registerCallback(lambda *pair: newest.append(pair))


def call(service_type: Any, service: str, **fields: Any) -> Any:
    client = node.create_client(service_type, f"sam2_tracker/{service}")
    client.wait_for_service()
    future = client.call_async(service_type.Request(**fields))
    rclpy.spin_until_future_complete(node, future)
    if not future.result().success:
        raise SystemExit(f"{service}: {future.result().message}")
    return future.result()


target, waiting_for = 0, ""
if args.click:
    x, y = args.click
    target = call(AddObject, "add_object", prompt=Prompt(clicks=[Click(x=x, y=y)])).object_id

while True:
    rclpy.spin_once(node)
    if newest:
        tracks, cloud = newest.pop()
        track = next((track for track in tracks.tracks if target == track.id or args.label == track.label), None)
        if track and track.state == Track.VISIBLE and track.has_position:
            break
        reason = (
            "it is not visible, or depth does not measure it" if track else "no object with that label is tracked yet"
        )
        if reason != waiting_for:
            waiting_for = reason
            print(f"waiting: {reason}", flush=True)

call(SelectObject, "select_object", object_id=track.id)  # publishes its ~/target_mask and ~/target_depth
points = read_points(cloud, ["x", "y", "z", "label"])
surface = np.column_stack([points[axis][points["label"] == track.id] for axis in "xyz"])
centre = np.array([track.position.x, track.position.y, track.position.z])
x, y, z = surface[np.linalg.norm(surface - centre, axis=1).argmin()]  # the centroid of a bowl is not on its surface
print(f"grasp object {track.id} at ({x:.3f}, {y:.3f}, {z:.3f}) m in {cloud.header.frame_id}; {len(surface)} points")
print(f"its size: {track.extent.x:.3f} x {track.extent.y:.3f} x {track.extent.z:.3f} m")
