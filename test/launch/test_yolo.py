"""The launch file for a YOLO detector, with a stand-in for the detector's package."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("launch_ros.actions", reason="needs `launch` and `launch_ros` of a ROS 2 distribution")
pytest.importorskip("vision_msgs", reason="needs the ROS package vision_msgs")

from sam2_ros.model import save_weights, seeded_model

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "launch" / "yolo.launch.py"

# What the real node does with ROS, without YOLO: on activate it subscribes, and for each image it publishes a box.
DETECTOR = f"""#!{sys.executable}
import rclpy
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

class Detector(LifecycleNode):
    def on_configure(self, state):
        for name in ("model_path", "labels_path"):
            open(self.declare_parameter(name, "").value)
        self.boxes = self.create_publisher(Detection2DArray, "~/detections", 10)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state):
        self.create_subscription(Image, "~/image_raw", self.detect, qos_profile_sensor_data)
        return super().on_activate(state)

    def detect(self, image):
        self.boxes.publish(Detection2DArray(header=image.header))

rclpy.init()
rclpy.spin(Detector("detector"))
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Arguments that name a network and its classes, and weights for the tracker."""
    save_weights(seeded_model("nano", seed=0), tmp_path / "nano.safetensors")
    for name in ("yolo.onnx", "coco.names"):
        (tmp_path / name).touch()
    return [
        f"yolo:={tmp_path / 'yolo.onnx'}",
        f"labels:={tmp_path / 'coco.names'}",
        f"checkpoint:={tmp_path / 'nano.safetensors'}",
    ]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which the detector's package is installed."""
    if shutil.which("ros2") is None:
        pytest.skip("needs the command `ros2` of a ROS 2 distribution")
    prefix = tmp_path / "prefix"
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    program = prefix / "lib" / "ros2_yolos_cpp" / "yolos_detector_node"
    for folder in (index, program.parent):
        folder.mkdir(parents=True)
    (index / "ros2_yolos_cpp").touch()
    program.write_text(DETECTOR)
    program.chmod(0o755)
    return os.environ | {"AMENT_PREFIX_PATH": f"{prefix}:{os.environ['AMENT_PREFIX_PATH']}"}


@pytest.fixture
def launched(files: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = ["ros2", "launch", str(LAUNCH), *files, "image:=/arm/image_raw", "namespace:=arm"]
    process = subprocess.Popen([*command, "detection_classes:=cup"], env=environment)
    yield process
    process.send_signal(signal.SIGINT)
    process.wait(30)


def test_both_subscribe_to_the_camera_and_the_tracker_to_the_detector(launched: subprocess.Popen[bytes]) -> None:
    import rclpy

    context = rclpy.Context()  # of its own: tests of the node share the default one
    context.init()
    try:
        node = rclpy.create_node("observer", context=context)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            readers = {
                topic: sorted(end.node_name for end in node.get_subscriptions_info_by_topic(topic))
                for topic in ("/arm/image_raw", "/arm/yolos_detector/detections")
            }
            if list(readers.values()) == [["sam2_tracker", "yolos_detector"], ["sam2_tracker"]]:
                return
            time.sleep(0.2)
    finally:
        context.try_shutdown()
    pytest.fail(f"after two minutes the topics are read by {readers}")


@pytest.mark.parametrize(("missing", "expected"), [("yolo", "an ONNX file"), ("labels", "a file with its class names")])
def test_a_missing_file_is_refused(files: list[str], environment: dict[str, str], missing: str, expected: str) -> None:
    arguments = [f"{missing}:=nowhere" if text.startswith(missing) else text for text in files]
    done = subprocess.run(
        ["ros2", "launch", str(LAUNCH), *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    assert f"{missing}:=nowhere: expected {expected}" in done.stdout + done.stderr
