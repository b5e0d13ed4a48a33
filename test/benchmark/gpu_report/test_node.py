"""The node's part of the report; test_overhead.py measures a node."""

import sys

import pytest

from sam2_ros.benchmark.gpu_report import node
from sam2_ros.benchmark.gpu_report.parts import SMOKE, LeftOutError
from sam2_ros.benchmark.overhead import Overhead


def test_the_node_is_measured_with_three_objects_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(sizes: list[tuple[int, int]], frames: int, objects: int, device: str) -> list[Overhead]:
        assert (sizes, frames, objects, device) == ([(640, 480)], 3, 3, "cuda")
        return [Overhead(sizes[0], frames, 2.0, 3.0, latency=10.0, latency_p99=20.0, round_trip=12.0, rate=80.0)]

    monkeypatch.setattr(node, "measure", measure)
    (row,) = node.rows("cuda", SMOKE)
    assert row["frames per second"] == 80.0 and row["latency p99 (ms)"] == 20.0


def test_without_ros_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    with pytest.raises(LeftOutError, match="ROS 2 is missing"):
        next(node.rows("cpu", SMOKE))
