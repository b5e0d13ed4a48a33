"""A block on a table before a camera with depth, beside the real node with its real weights."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message, nearest_time

ROOT = Path(__file__).resolve().parents[3]
K = [200.0, 0.0, 63.5, 0.0, 200.0, 47.5, 0.0, 0.0, 1.0]
BLOCK = slice(30, 70), slice(44, 84)  # rows and columns, pixels
DISTANCE = 0.8  # metres


class Table:
    """A block on a table before a camera with depth."""

    def __init__(self, robot: Any) -> None:
        self.robot = robot
        reliable = qos.profile("reliable", 10)
        self._depth = robot.node.create_publisher(Image, "depth", reliable)
        self._info = robot.node.create_publisher(CameraInfo, "camera_info", reliable)
        robot.bring_up()
        for publisher in (self._depth, self._info):
            robot.wait_for(publisher.get_subscription_count, f"subscription to {publisher.topic_name}")

    def show(self, hidden: bool = False) -> None:
        """One image with its depth."""
        noise = np.random.default_rng(0).normal(0, 2, (96, 128, 3))
        image = np.full((96, 128, 3), (120, 125, 130), np.float32) + noise
        depth = np.full((96, 128), 1500, np.uint16)
        if not hidden:
            image[BLOCK] = (200, 40, 40)
            image[45:55, 54:74] = (250, 220, 60)
            depth[BLOCK] = round(1000 * DISTANCE)
        stamp = self.robot.next_stamp()
        header = Header(stamp=nearest_time(stamp), frame_id="optical")
        self._info.publish(CameraInfo(header=header, height=96, width=128, k=K))
        self._depth.publish(image_message(depth, "16UC1", header))
        self.robot.send(stamp, image.clip(0, 255).astype(np.uint8))

    def show_until(self, condition: Callable[[], object], what: str, hidden: bool = False) -> None:
        """Images until the condition holds."""

        def shown() -> object:
            self.show(hidden)
            time.sleep(0.1)
            return condition()

        self.robot.wait_for(shown, what)


@pytest.fixture(scope="module")
def shared_table(start: Callable[..., Any]) -> Table:
    weights = ROOT / "sam2_ros" / "weights" / "nano.safetensors"
    return Table(start(checkpoint=weights, image_size=0, depth=True, image_reliability="reliable", image_depth=10))


@pytest.fixture
def table(shared_table: Table) -> Table:
    """In view of a node that follows nothing yet."""
    shared_table.robot.call("reset", Trigger.Request())
    shared_table.robot.tracks.clear()
    shared_table.show_until(lambda: shared_table.robot.tracks, "tracks")
    return shared_table


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], Path]]]:
    """Starts an example with arguments; what it prints goes to the file."""
    processes = []

    def run(example: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
        out = tmp_path / "out"
        with out.open("wb") as file:
            command = [sys.executable, str(ROOT / "examples" / example), *arguments]
            processes.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT))
        return processes[-1], out

    yield run
    for process in processes:
        process.kill()
        process.wait()
