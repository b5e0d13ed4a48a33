#!/usr/bin/env python3
"""Waits until a hidden object is visible, and prints where to grasp it: by the action ~/track_object.

ros2 launch sam2_ros track.launch.py image:=/camera/color/image_raw depth:=/camera/aligned_depth_to_color/image_raw
python3 grasp_when_visible.py --object 1       (an id of ~/tracks; or --click 320,240 in pixels of the newest image)
"""

import argparse
from typing import Any

import rclpy
from rclpy.action import ActionClient
from sam2_ros.action import TrackObject
from sam2_ros.msg import Click, Prompt, Track

parser = argparse.ArgumentParser(description="Waits until an object is visible, and prints where to grasp it.")
which = parser.add_mutually_exclusive_group(required=True)
which.add_argument("--object", type=int, default=0, metavar="ID", help="of an object that is tracked already")
which.add_argument("--click", type=lambda text: [float(part) for part in text.split(",")], metavar="X,Y")
parser.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS")
args = parser.parse_args()
seen: list[TrackObject.Feedback] = []  # feedback with a position


def on_feedback(message: Any) -> None:
    track = message.feedback.track
    if track.state == Track.VISIBLE and track.has_position:
        seen.append(message.feedback)
    else:
        print(f"waiting: not seen or not measured, absent for {message.feedback.absence:.1f} s", flush=True)


rclpy.init()
node = rclpy.create_node("grasp_when_visible")
client = ActionClient(node, TrackObject, "sam2_tracker/track_object")
client.wait_for_server()
clicks = [Click(x=args.click[0], y=args.click[1])] if args.click else []
goal = TrackObject.Goal(prompt=Prompt(object_id=args.object, clicks=clicks), time_limit=args.time_limit)
accepted = client.send_goal_async(goal, feedback_callback=on_feedback)
rclpy.spin_until_future_complete(node, accepted)
ended = accepted.result().get_result_async()
while not (seen or ended.done()):
    rclpy.spin_once(node)
if not seen:
    raise SystemExit(f"no grasp: {ended.result().result.reason}")
point, size = seen[-1].track.position, seen[-1].track.extent
print(f"grasp at ({point.x:.3f}, {point.y:.3f}, {point.z:.3f}) m in {seen[-1].position_frame}")
print(f"its size: {size.x:.3f} x {size.y:.3f} x {size.z:.3f} m")
# Move the arm here and spin: `seen` follows the object. Then cancel; the object stays tracked.
accepted.result().cancel_goal_async()
rclpy.spin_until_future_complete(node, ended)
