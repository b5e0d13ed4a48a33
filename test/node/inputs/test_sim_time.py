"""Simulation time that does not advance is reported."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from sam2_ros.node.inputs.sim_time import SimTimeMonitor

from ...fake_clock import FakeClock
from ..conftest import Robot

pytestmark = pytest.mark.distribution

DDS_TIMEOUT = 30.0  # seconds; only a failing test waits so long
TIMEOUT = 0.2  # seconds


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    node = Node("simulated", cli_args=["--ros-args", "-p", "use_sim_time:=true"])
    yield node
    node.destroy_node()


def warning(monitor: SimTimeMonitor, clock: FakeClock) -> str:
    """What is reported when nothing happens for longer than TIMEOUT."""
    monitor.warning(TIMEOUT)
    clock.advance(1.5 * TIMEOUT)
    return monitor.warning(TIMEOUT)


def wait_for_publishers(node: Node, count: int) -> None:
    deadline = time.monotonic() + DDS_TIMEOUT
    while node.count_publishers("/clock") != count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def set_time(node: Node, publisher: Any, seconds: int) -> None:
    deadline = time.monotonic() + DDS_TIMEOUT
    while node.get_clock().now().nanoseconds != seconds * 10**9:
        assert time.monotonic() < deadline
        publisher.publish(Clock(clock=Time(sec=seconds)))
        rclpy.spin_once(node, timeout_sec=0.02)


def test_a_missing_publisher_on_clock_is_reported(node: Node, clock: FakeClock) -> None:
    wait_for_publishers(node, 0)
    assert warning(SimTimeMonitor(node, clock), clock) == (
        "use_sim_time is true, but there is no publisher on /clock: start the simulator or `ros2 bag play --clock`, or "
        "set use_sim_time to false"
    )


def test_a_silent_publisher_on_clock_is_reported(node: Node, clock: FakeClock) -> None:
    node.create_publisher(Clock, "/clock", 1)
    wait_for_publishers(node, 1)
    assert "no message on /clock for 0.3 s" in warning(SimTimeMonitor(node, clock), clock)


def test_time_that_has_stopped_causes_a_warning(node: Node, clock: FakeClock) -> None:
    publisher = node.create_publisher(Clock, "/clock", 1)
    wait_for_publishers(node, 1)
    monitor = SimTimeMonitor(node, clock)
    for seconds in range(100, 104):
        set_time(node, publisher, seconds)
        assert monitor.warning(TIMEOUT) == ""
        clock.advance(0.75 * TIMEOUT)
    assert "/clock has stopped at 103.0 s for 0." in warning(monitor, clock)
    assert warning(monitor, clock).endswith("is the simulator or the bag paused?")
    set_time(node, publisher, 1)  # a simulation that starts again
    assert monitor.warning(TIMEOUT) == ""
    node.destroy_publisher(publisher)
    wait_for_publishers(node, 0)
    assert warning(monitor, clock).endswith("its publisher is gone")


def test_without_use_sim_time_there_is_no_warning(ros: None, clock: FakeClock) -> None:
    node = rclpy.create_node("real")
    assert warning(SimTimeMonitor(node, clock), clock) == ""
    node.destroy_node()


def test_the_node_reports_it_in_every_state_and_continues_tracking(start: Callable[..., Robot]) -> None:
    robot = start("simulated_tracker", use_sim_time="true", image_timeout=0.5)
    reason = "use_sim_time is true, but there is no publisher on /clock"

    def status() -> DiagnosticStatus:
        return robot.diagnostics[-1].status[0] if robot.diagnostics else DiagnosticStatus()

    robot.wait_for(lambda: reason in status().message, "warning")
    assert status().level == DiagnosticStatus.WARN
    robot.wait_for_log(reason)
    robot.bring_up()
    robot.show()
    robot.wait_for(lambda: reason in status().message, "warning while active")
    robot.wait_for(lambda: f"{reason}" in status().message and "no image on /image" in status().message, "both")
    publisher, seconds = robot.node.create_publisher(Clock, "/clock", 1), 0

    def is_well() -> bool:
        nonlocal seconds
        seconds += 1
        publisher.publish(Clock(clock=Time(sec=seconds)))
        robot.show()
        return status().message == "tracking"

    robot.wait_for(is_well, "health")
