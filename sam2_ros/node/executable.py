"""Runs a node as an executable: one executor, an orderly end, an exit code.

Exit codes: 0 after SIGINT or SIGTERM, 2 for a mistake of the user's that is named in the log, 1 for anything else.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from sam2_ros.node import shutdown
from sam2_ros.node.log import RosLog
from sam2_ros.node.parameters.values import ParameterError, without_locations

MISTAKE = 2  # exit code
_STOP_TIMEOUT = 1.5  # seconds for the image in process
_RESPONSE_TIME = 0.2  # seconds to send the responses of service calls in flight


class StartError(RuntimeError):
    """The node cannot start; the message says why and what to do."""


def run(name: str, build: Callable[[Callable[[int], object]], Any]) -> NoReturn:
    """Run a node until SIGINT or SIGTERM, or until it calls the function that `build` is given, with an exit code.

    The node has a method `stop(timeout)`. `build` may raise ParameterError and StartError.
    """
    logger = get_logger(name)
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # for --ros-args that rcl cannot parse
        logger.fatal(f"cannot start: {without_locations(error)}")
        shutdown.exit_process(MISTAKE)
    ended: Future = Future()  # with the exit code
    watchdog = shutdown.Watchdog(stop=lambda: ended.set_result(0))
    executor = SingleThreadedExecutor()
    try:
        node = build(ended.set_result)
        logging.getLogger("sam2_ros").addHandler(RosLog(node.get_logger()))
        executor.add_node(node)
        executor.spin_until_future_complete(ended)
        node.stop(_STOP_TIMEOUT)
        deadline = time.monotonic() + _RESPONSE_TIME
        while time.monotonic() < deadline:
            executor.spin_once(timeout_sec=_RESPONSE_TIME / 4)
        code = ended.result()
    except (ParameterError, StartError) as error:
        logger.fatal(f"cannot start: {error}")
        code = MISTAKE
    except Exception:
        logger.fatal(traceback.format_exc())
        code = 1
    shutdown.end_node(watchdog, code)
