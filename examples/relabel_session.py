#!/usr/bin/env python3
"""Labels a recorded session again with a larger model, and scores the robot's own model against it.

ros2 launch sam2_ros track.launch.py image:=/camera/image_raw                   # on the robot, with nano
ros2 bag record -o session /camera/image_raw /sam2_tracker/applied_prompts      # beside it, while you prompt
sam2_ros download sam2.1_hiera_large                                            # elsewhere, 0.9 GB
python3 relabel_session.py session --topic /camera/image_raw                    # needs sam2_ros[recordings], no ROS
"""

import argparse
import sys
from pathlib import Path

from sam2_ros.cli import main

parser = argparse.ArgumentParser(description="Labels a recorded session with two models and compares the masks.")
parser.add_argument("session", help="a recording with the images and the prompts that the node has applied")
parser.add_argument("--topic", required=True, help="of the images")
parser.add_argument("--prompts-topic", default="/sam2_tracker/applied_prompts")
parser.add_argument("--live", default="nano", metavar="MODEL", help="the robot's model (default: nano)")
parser.add_argument("--model", default="sam2.1_hiera_large", help="the larger model (default: sam2.1_hiera_large)")
parser.add_argument("--out", type=Path, default=Path("relabelled"), help="default: relabelled")
args = parser.parse_args()

# The same prompts on the same images: only the model differs.
for name, model in (("live", args.live), ("larger", args.model)):
    options = ["--topic", args.topic, "--prompts-topic", args.prompts_topic, "--model", model]
    main(["label", args.session, *options, "--format", "davis,mcap", "--out", str(args.out / name)])

# J&F of 1: the robot's model draws the very masks of the larger one.
live, larger = (args.out / name / "davis" for name in ("live", "larger"))
sys.exit(main(["evaluate", str(larger), "--labels", str(live), "--out", str(args.out / "scores")]))
