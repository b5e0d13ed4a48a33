"""The scripted detector beside the real node with its real weights."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sam2_ros.msg import Track

import sam2_ros

from ..conftest import Robot

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = Path(sam2_ros.__file__).parent / "weights" / "nano.safetensors"


def render(x: int) -> np.ndarray:
    """(240, 320, 3) uint8: a red block that is centred on x, and a blue one."""
    rgb = np.full((240, 320, 3), 120, np.uint8)
    rgb[70:130, x - 30 : x + 30] = (220, 40, 40)
    rgb[160:220, 230:290] = (40, 60, 220)
    return rgb


@pytest.fixture(scope="module")
def robot(start: Callable[..., Robot]) -> Robot:
    robot = start("watched", checkpoint=WEIGHTS, image_size=256)
    robot.bring_up()
    return robot


@pytest.fixture
def detector(robot: Robot) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(ROOT / "examples" / "scripted_detector.py"), "--label", "cup", "--hue", "0,12"]
    process = subprocess.Popen([*command, "--ros-args", "-r", "detections:=/watched/detections"])
    robot.wait_for(lambda: robot.node.count_publishers("/watched/detections"), "detector")
    yield process
    process.kill()
    process.wait()


def test_only_the_object_of_its_colour_is_tracked(robot: Robot, detector: subprocess.Popen[bytes]) -> None:
    x = 80

    def tracks() -> list[Track]:
        nonlocal x
        x = min(x + 2, 200)
        return robot.show(pixels=render(x)).tracks

    robot.wait_for(tracks, "track")
    (track,) = [tracks() for _ in range(5)][-1]
    assert track.label == "cup"
    assert abs((track.box.x_min + track.box.x_max) / 2 - x) < 8
    assert detector.poll() is None
