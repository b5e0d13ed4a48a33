"""The node's overhead: its time from an image to published masks, tracks and overlay, without the tracker's own.

The node runs in a process of its own and times itself, see `Statistics`; this process is its camera and its subscriber.
ROS is imported where it is needed, so that the rest of the benchmark runs without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.benchmark.table import verdict
from sam2_ros.model import save_weights, seeded_model
from sam2_ros.tracking.speed import speed_of

SIZES = ((640, 480), (1920, 1080))  # (width, height) pixels
LIMITS = {(640, 480): 5.0, (1920, 1080): 20.0}  # milliseconds, median

_NODE = "/sam2_tracker_overhead"
_TIMEOUT = 120.0  # seconds for any single wait
_CONNECTING = 1.0  # seconds for DDS to connect both processes
_WARM_UP = 10  # frames


@dataclass(frozen=True)
class Overhead:
    """Time per frame outside the tracker, and all of it (milliseconds)."""

    size: tuple[int, int]  # (width, height) pixels
    frames: int
    median: float
    p99: float
    latency: float  # from the receipt of an image to its results, median
    latency_p99: float
    round_trip: float  # from publishing an image to the receipt of its results, median
    rate: float  # frames per second; an image is published when the results of the one before have come

    def __str__(self) -> str:
        width, height = self.size
        judgement = f": {verdict(self.median, LIMITS[self.size])}" if self.size in LIMITS else ""
        return f"node overhead at {width}x{height}: median {self.median:.1f} ms, p99 {self.p99:.1f} ms{judgement}"


def measure(
    sizes: Sequence[tuple[int, int]] = SIZES, frames: int = 100, objects: int = 1, device: str = "auto"
) -> list[Overhead]:
    """Measure, print and return the node's overhead at each (width, height) in pixels.

    Raises RuntimeError where the node fails, ModuleNotFoundError without ROS.
    """
    import rclpy  # noqa: F401  # raises before a node is started

    results = []
    for size in sizes:
        with _node(device) as process, Client(process) as client:
            results.append(client.measure(size, frames, objects))
            print(results[-1])
    return results


@contextmanager
def _node(device: str) -> Iterator[subprocess.Popen[bytes]]:
    """The node's process, with random weights: the quality of masks does not matter."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "nano.safetensors"
        save_weights(seeded_model("nano"), weights)
        parameters = {
            "checkpoint": weights,
            "device": device,
            "image_reliability": "reliable",
            "diagnostics_period": 0.2,
        }
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
        command = [sys.executable, "-m", "sam2_ros.node.main", "--ros-args", "-r", f"__node:={_NODE[1:]}", *arguments]
        process = subprocess.Popen(command, env=os.environ)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(_TIMEOUT)


class Client:
    """Camera, user and subscriber of the node; a context manager."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._latest: dict[str, Any] = {}  # the newest message of each topic

    def __enter__(self) -> Client:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from lifecycle_msgs.srv import ChangeState
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from sensor_msgs.msg import Image

        from sam2_ros.msg import Prompt, TrackArray
        from sam2_ros.node import qos

        self._context = Context()
        rclpy.init(context=self._context)
        self._node = Node("overhead", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        reliable = qos.profile("reliable", 5)
        self._camera = self._node.create_publisher(Image, "image", reliable)
        self._prompts = self._node.create_publisher(Prompt, f"{_NODE}/prompt", reliable)
        for message_type, topic in ((TrackArray, "tracks"), (Image, "masks"), (Image, "overlay")):
            self._node.create_subscription(message_type, f"{_NODE}/{topic}", self._keep_latest(topic), reliable)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._keep_latest("diagnostics"), reliable)
        self._changes = self._node.create_client(ChangeState, f"{_NODE}/change_state")
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown()
        self._context.try_shutdown()

    def measure(self, size: tuple[int, int], frames: int, objects: int) -> Overhead:
        """Activate the node, let it track objects beside each other and read its statistics."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        from sam2_ros.msg import Box, Prompt

        self._wait_for(self._changes.service_is_ready)
        self._pause(_CONNECTING)
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            future = self._changes.call_async(ChangeState.Request(transition=Transition(id=transition)))
            self._wait_for(future.done)
        self._wait_for(lambda: self._camera.get_subscription_count() and self._prompts.get_subscription_count())
        self._pause(_CONNECTING)
        picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
        self._show(picture)
        width, height = map(float, size)
        step = width / (2 * objects + 1)  # boxes and gaps are equally wide
        for x in (step * (2 * i + 1) for i in range(objects)):
            box = Box(x_min=x, y_min=height / 3, x_max=x + step, y_max=2 * height / 3)
            self._prompts.publish(Prompt(has_box=True, box=box))
        self._wait_for(lambda: len(self._latest["tracks"].tracks) == objects)
        for _ in range(_WARM_UP):
            self._show(picture)
        speed = speed_of([self._show(picture) for _ in range(frames)])
        self._pause(_CONNECTING)  # for the last diagnostics
        values = {entry.key: entry.value for entry in self._latest["diagnostics"].status[0].values}
        return Overhead(
            size,
            frames,
            median=float(values["overhead median (ms)"]),
            p99=float(values["overhead p99 (ms)"]),
            latency=float(values["latency median (ms)"]),
            latency_p99=float(values["latency p99 (ms)"]),
            round_trip=1e3 * speed.median,
            rate=speed.rate,
        )

    def _show(self, picture: np.ndarray) -> float:
        """Publish an image and wait for all of the node's outputs; returns the seconds that it took."""
        from std_msgs.msg import Header

        from sam2_ros.node.conversions.messages import image_message

        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id="camera")
        message = image_message(picture, "bgr8", header)
        start = time.perf_counter()
        self._camera.publish(message)
        topics = ("tracks", "masks", "overlay")
        self._wait_for(lambda: all(t in self._latest and self._latest[t].header == header for t in topics))
        return time.perf_counter() - start

    def _keep_latest(self, topic: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            self._latest[topic] = message

        return keep

    def _wait_for(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while not condition():
            if self._process.poll() is not None:
                raise RuntimeError(f"the node ended with exit code {self._process.returncode}, see its log above")
            if time.monotonic() > deadline:
                raise RuntimeError("the node does not respond: see its log above, and check that DDS works here")
            self._executor.spin_once(timeout_sec=0.1)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)
