"""The bundled model, and images that it tracks reliably: plain squares on a smooth background."""

import importlib.util
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# Before anything of PyTorch and ROS is imported. Three processes may run tests at the same time (pytest-xdist), each
# with one thread and ROS domains of its own; other runs on this machine or network are not to be heard either.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("ROS_DOMAIN_ID", str(random.randrange(102)))  # Linux has free ports for 0 to 101
os.environ["ROS_DOMAIN_ID"] = str(
    (int(os.environ["ROS_DOMAIN_ID"]) + 34 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])) % 102
)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "LARGE_DATA")

import cv2
import numpy as np
import pytest
import torch

from sam2_ros.model import load_model
from sam2_ros.model.sam2 import Sam2

from .fake_clock import FakeClock

# A shell that runs the tests in the background ignores SIGINT, and so would all processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROS_STAND_INS = Path(__file__).resolve().parent / "ros_stand_ins"

# Every ROS distribution has these packages, the package index does not. The stand-in of one that is not installed comes
# last on the path, also on that of the processes that tests start.
for _package in ("message_filters", "sensor_msgs_py", "tf2_ros"):
    if importlib.util.find_spec(_package) is None:
        sys.path.append(str(ROS_STAND_INS / _package))
        os.environ["PYTHONPATH"] = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), sys.path[-1]])

COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (30, 180, 60), "orange": (250, 150, 30)}
Square = tuple[str, int, int, int]  # colour, centre, half a side (pixels)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: at the end one process would wait for another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests with the marker `cuda` are skipped without a GPU."""
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("there is no GPU")


@pytest.fixture(scope="session")
def nano() -> Sam2:
    return load_model("nano", image_size=256)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    """(240, 320, 3) uint8 with these squares, the last one in front."""
    background = np.random.default_rng(0).integers(90, 150, (240, 320, 3), np.uint8)
    background = cv2.GaussianBlur(background, (0, 0), 3)

    def paint(*squares: Square) -> np.ndarray:
        rgb = background.copy()
        for colour, x, y, half in squares:
            cv2.rectangle(rgb, (x - half, y - half), (x + half, y + half), COLOURS[colour], -1)
        return rgb

    return paint
