"""The executable `tracker`."""

from __future__ import annotations

import logging
import time
import traceback
from typing import NoReturn

from sam2_ros.node import shutdown
from sam2_ros.node.log import RosLog
from sam2_ros.node.threads import wait_passively

_STOP_TIMEOUT = 1.5  # seconds for the image in process
_RESPONSE_TIME = 0.2  # seconds to send the responses of service calls in flight


def main() -> NoReturn:
    """Run the node until SIGINT or SIGTERM."""
    shutdown.reset_signal_handlers()
    wait_passively()
    # These imports take seconds.
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.logging import get_logger
    from rclpy.signals import SignalHandlerOptions
    from rclpy.task import Future

    from sam2_ros.node.parameters.values import ParameterError, without_locations
    from sam2_ros.node.tracker_node import TrackerNode

    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # for --ros-args that rcl cannot parse
        get_logger("sam2_tracker").fatal(f"cannot start: {without_locations(error)}")
        shutdown.exit_process(2)
    shutdown_requested: Future = Future()
    watchdog = shutdown.Watchdog(stop=lambda: shutdown_requested.set_result(None))
    executor = SingleThreadedExecutor()
    code = 0
    try:
        node = TrackerNode()
        logging.getLogger("sam2_ros").addHandler(RosLog(node.get_logger()))
        executor.add_node(node)
        executor.spin_until_future_complete(shutdown_requested)
        node.stop(_STOP_TIMEOUT)
        deadline = time.monotonic() + _RESPONSE_TIME
        while time.monotonic() < deadline:
            executor.spin_once(timeout_sec=_RESPONSE_TIME / 4)
    except ParameterError as error:
        get_logger("sam2_tracker").fatal(f"cannot start: {error}")
        code = 2
    except Exception:
        get_logger("sam2_tracker").fatal(traceback.format_exc())
        code = 1
    shutdown.end_node(watchdog, code)


if __name__ == "__main__":
    main()
