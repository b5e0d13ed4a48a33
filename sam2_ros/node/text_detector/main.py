"""The executable `text_detector`."""

from __future__ import annotations

import traceback
from typing import NoReturn

from sam2_ros.node import shutdown
from sam2_ros.node.threads import wait_passively

_STOP_TIMEOUT = 1.5  # seconds for the search that runs


def main() -> NoReturn:
    """Run the node until SIGINT or SIGTERM, or until its model turns out not to be there."""
    shutdown.reset_signal_handlers()
    wait_passively()
    # These imports take seconds.
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.logging import get_logger
    from rclpy.signals import SignalHandlerOptions
    from rclpy.task import Future

    from sam2_ros.node.parameters.values import ParameterError, without_locations
    from sam2_ros.text.words import WordsError

    logger = get_logger("sam2_text_detector")
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # for --ros-args that rcl cannot parse
        logger.fatal(f"cannot start: {without_locations(error)}")
        shutdown.exit_process(2)
    ended: Future = Future()  # with the exit code
    watchdog = shutdown.Watchdog(stop=lambda: ended.set_result(0))
    executor = SingleThreadedExecutor()
    try:
        from sam2_ros.node.text_detector.node import TextDetectorNode

        node = TextDetectorNode(on_failure=lambda: ended.set_result(2))
        executor.add_node(node)
        executor.spin_until_future_complete(ended)
        node.stop(_STOP_TIMEOUT)
        code = ended.result()
    except (ParameterError, WordsError) as error:
        logger.fatal(f"cannot start: {error}")
        code = 2
    except ModuleNotFoundError as error:
        if error.name != "vision_msgs":
            raise
        logger.fatal(
            "cannot start: the ROS package vision_msgs is missing: sudo apt install ros-$ROS_DISTRO-vision-msgs"
        )
        code = 2
    except Exception:
        logger.fatal(traceback.format_exc())
        code = 1
    shutdown.end_node(watchdog, code)


if __name__ == "__main__":
    main()
