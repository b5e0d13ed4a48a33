"""The executable `tracker`."""

from __future__ import annotations

from typing import NoReturn

from sam2_ros.node import shutdown
from sam2_ros.node.threads import wait_passively


def main() -> NoReturn:
    """Run the node until SIGINT or SIGTERM."""
    shutdown.reset_signal_handlers()
    wait_passively()
    # These imports take seconds.
    from sam2_ros.node.executable import run
    from sam2_ros.node.tracker_node import TrackerNode

    run("sam2_tracker", lambda end: TrackerNode())


if __name__ == "__main__":
    main()
