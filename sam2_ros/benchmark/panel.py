"""The panel's delays, its share of a CPU, and what two browsers cost the tracker.

Tracker and panel run in processes of their own; this process is the camera, whose stamps are of this machine's clock. A
headless Chromium measures the delays. The cost for the tracker is measured with two clients that take and acknowledge
every picture as the page does: drawing, which happens on other machines, is no load of the robot.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sam2_ros.benchmark.panel_browsers import RECORD_DELAYS, SETTLING, TIMEOUT, click, clients, open_page
from sam2_ros.optional import require

SIZES = ((640, 480), (1280, 720))  # (width, height) pixels
RATE = 15.0  # images per second
MAX_SLOWDOWN = 5.0  # per cent, of the tracker by two browsers

_ROUNDS = 5  # with and without browsers, in turn
_CLICKS = 10


@dataclass(frozen=True)
class PanelSpeed:
    """At one image size; delays in milliseconds."""

    size: tuple[int, int]  # (width, height) pixels
    picture: float  # from the camera's stamp to the canvas, median
    picture_p95: float
    mask: float  # from a click to its mask on the canvas, median
    cpu: float  # of the panel with two clients, per cent of a core
    rate_alone: float  # images per second of the tracker, median of the rounds
    rate_watched: float

    def __str__(self) -> str:
        slowdown = 100 * (1 - self.rate_watched / self.rate_alone)
        verdict = "met" if slowdown < MAX_SLOWDOWN else "missed"
        return (
            f"panel at {self.size[0]}x{self.size[1]}, {RATE:g} images/s: stamp to canvas median {self.picture:.0f} ms, "
            f"p95 {self.picture_p95:.0f} ms; click to mask {self.mask:.0f} ms; panel's CPU {self.cpu:.0f} % of a core; "
            f"tracker {self.rate_alone:.2f} images/s alone, {self.rate_watched:.2f} with two browsers: "
            f"{slowdown:+.1f} %, limit {MAX_SLOWDOWN:g} %: {verdict}"
        )


def measure(seconds: float) -> list[PanelSpeed]:
    """Measure each size for so long per part; print and return it.

    Raises ModuleNotFoundError without ROS, ValueError without a browser, RuntimeError where a process fails.
    """
    import rclpy  # noqa: F401  # raises before anything is started

    require("aiohttp", "the panel", "panel")
    results = []
    for size in SIZES:
        with _Robot(size) as robot:
            results.append(_measure(robot, seconds))
            print(results[-1], flush=True)
    return results


def _measure(robot: _Robot, seconds: float) -> PanelSpeed:
    with open_page(robot.address) as page:
        page.wait_for_selector("html[data-stamp]", timeout=1e3 * TIMEOUT)
        mask = float(np.median([click(page) for _ in range(_CLICKS)]))
        click(page, is_removed=False)  # one object is tracked from now on
        page.wait_for_timeout(1e3 * SETTLING)
        page.evaluate(RECORD_DELAYS)
        page.wait_for_timeout(1e3 * seconds)
        delays = page.evaluate("window.delays")
    alone, watched, cpu = [], [], []
    for _ in range(_ROUNDS):
        alone.append(robot.rate(seconds)[0])
        with clients(robot.address, 2):
            rate, share = robot.rate(seconds)
            watched.append(rate)
            cpu.append(share)
    return PanelSpeed(
        robot.size,
        float(np.median(delays)),
        float(np.percentile(delays, 95)),
        mask,
        100 * float(np.mean(cpu)),
        float(np.median(alone)),
        float(np.median(watched)),
    )


class _Robot:
    """Camera, tracker and panel; a context manager."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._counted = 0  # results of the tracker
        self._ended = threading.Event()
        background = np.random.default_rng(0).integers(60, 190, (size[1], size[0], 3), np.uint8)
        self._image = cv2.GaussianBlur(background, (0, 0), 2)
        x, y, half = size[0] // 2, size[1] // 2, size[1] // 8
        cv2.rectangle(self._image, (x - half, y - half), (x + half, y + half), (220, 40, 40), -1)

    def __enter__(self) -> _Robot:
        import rclpy
        from lifecycle_msgs.srv import ChangeState
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import Image

        from sam2_ros.msg import TrackArray
        from sam2_ros.node import qos

        self._folder = tempfile.TemporaryDirectory()
        self._context = Context()
        rclpy.init(context=self._context)
        node = rclpy.create_node("panel_benchmark", context=self._context)
        self._camera = node.create_publisher(Image, "image", qos.profile("reliable", 2))
        node.create_subscription(TrackArray, "sam2_tracker/tracks", self._count, qos.profile("reliable", 5))
        self._changes = node.create_client(ChangeState, "sam2_tracker/change_state")
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._executor.spin, self._film)]
        for thread in self._threads:
            thread.start()
        self._log = Path(self._folder.name) / "panel.log"
        self._tracker = self._start("sam2_ros.node.main", Path(self._folder.name) / "tracker.log")
        self._panel = self._start("sam2_ros.panel.node.main", self._log, "-p", "port:=0")
        self._activate()
        self.address = self._wait(lambda: re.findall(r"open (http://\S+)", self._log.read_text()), "address")[0]
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for process in (self._panel, self._tracker):
            process.terminate()
            process.wait(TIMEOUT)
        self._executor.shutdown()
        for thread in self._threads:
            thread.join()
        self._context.try_shutdown()
        self._folder.cleanup()

    def rate(self, seconds: float) -> tuple[float, float]:
        """Results of the tracker per second, and the panel's share of a core."""
        time.sleep(SETTLING)
        start, counted, cpu = time.monotonic(), self._counted, _cpu_seconds(self._panel.pid)
        time.sleep(seconds)
        elapsed = time.monotonic() - start
        return (self._counted - counted) / elapsed, (_cpu_seconds(self._panel.pid) - cpu) / elapsed

    def _start(self, module: str, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            command = [sys.executable, "-m", module, "--ros-args", *arguments]
            return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    def _activate(self) -> None:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        self._wait(self._changes.service_is_ready, "tracker")
        time.sleep(SETTLING)
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            future = self._changes.call_async(ChangeState.Request(transition=Transition(id=transition)))
            self._wait(future.done, "answer of the tracker")
        self._wait(lambda: self._counted > 0, "result of the tracker")

    def _wait(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + TIMEOUT
        while not (found := condition()):
            if time.monotonic() > end or self._tracker.poll() is not None:
                raise RuntimeError(f"no {what}: check that DDS works here, and run the node by hand")
            time.sleep(0.05)
        return found

    def _film(self) -> None:
        from std_msgs.msg import Header

        from sam2_ros.node.conversions.messages import image_message, nearest_time

        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / RATE, time.monotonic())
            header = Header(stamp=nearest_time(time.time()), frame_id="camera")
            self._camera.publish(image_message(self._image, "rgb8", header))

    def _count(self, message: Any) -> None:
        self._counted += 1


def _cpu_seconds(pid: int) -> float:
    """Of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
