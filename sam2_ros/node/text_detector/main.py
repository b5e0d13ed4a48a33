"""The executable `text_detector`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from sam2_ros.node import shutdown
from sam2_ros.node.threads import wait_passively

if TYPE_CHECKING:
    from sam2_ros.node.text_detector.node import TextDetectorNode


def main() -> NoReturn:
    """Run the node until SIGINT or SIGTERM, or until its model turns out not to be there."""
    shutdown.reset_signal_handlers()
    wait_passively()
    # These imports take seconds.
    from sam2_ros.node.executable import run

    run("sam2_text_detector", build)


def build(end: Callable[[int], object]) -> TextDetectorNode:
    """The node; it ends the process where its model is not there. Raises ParameterError and StartError."""
    from sam2_ros.node.executable import MISTAKE, StartError
    from sam2_ros.text.words import WordsError

    try:
        from sam2_ros.node.text_detector.node import TextDetectorNode

        return TextDetectorNode(on_failure=lambda: end(MISTAKE))
    except WordsError as error:
        raise StartError(str(error)) from error
    except ModuleNotFoundError as error:
        if error.name != "vision_msgs":
            raise
        raise StartError(
            "the ROS package vision_msgs is missing: sudo apt install ros-$ROS_DISTRO-vision-msgs"
        ) from error


if __name__ == "__main__":
    main()
