"""The executable `tracker`."""

from __future__ import annotations

import time
import traceback
from typing import NoReturn

from sam2_ros.node import shutdown

_PATIENCE = 1.5  # seconds for the frame in hand
_ANSWERING = 0.2  # seconds


def main() -> NoReturn:
    """Runs the node until it is interrupted or terminated."""
    shutdown.end_at_once()
    # Seconds pass in these imports.
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.logging import get_logger
    from rclpy.signals import SignalHandlerOptions
    from rclpy.task import Future

    from sam2_ros.node.parameters.values import ParameterError, without_locations
    from sam2_ros.node.tracker_node import TrackerNode

    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # rclpy's, for arguments that it cannot read
        get_logger("sam2_tracker").fatal(f"cannot start: {without_locations(error)}")
        shutdown.leave(2)
    requested: Future = Future()
    watchdog = shutdown.Watchdog(stop=lambda: requested.set_result(None))
    executor = SingleThreadedExecutor()
    code = 0
    try:
        node = TrackerNode()
        executor.add_node(node)
        executor.spin_until_future_complete(requested)
        node.stop(_PATIENCE)
        deadline = time.monotonic() + _ANSWERING
        while time.monotonic() < deadline:  # the answers to calls in flight
            executor.spin_once(timeout_sec=_ANSWERING / 4)
    except ParameterError as error:
        get_logger("sam2_tracker").fatal(f"cannot start: {error}")
        code = 2
    except Exception:
        get_logger("sam2_tracker").fatal(traceback.format_exc())
        code = 1
    watchdog.limit_goodbye()
    rclpy.try_shutdown()
    shutdown.leave(code)


if __name__ == "__main__":
    main()
