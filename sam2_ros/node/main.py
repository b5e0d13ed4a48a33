"""The executable `tracker`."""

from __future__ import annotations

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger

from sam2_ros.node import farewell
from sam2_ros.node.parameters import ParameterError
from sam2_ros.node.tracker_node import TrackerNode


def main() -> int:
    """Runs the node until it is interrupted or terminated; returns the exit code."""
    rclpy.init()
    try:
        node = TrackerNode()
    except ParameterError as error:
        get_logger("sam2_tracker").fatal(f"cannot start: {error}")
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.stop()
        farewell.limit()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
