"""The executable `panel`."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import traceback
from typing import TYPE_CHECKING, NoReturn

from sam2_ros.node import shutdown
from sam2_ros.node.log import RosLog

if TYPE_CHECKING:
    from sam2_ros.panel.node.panel_node import PanelNode

_NICENESS = 5  # the tracker comes first


def main() -> NoReturn:
    """Run the node and its web server until SIGINT or SIGTERM."""
    shutdown.reset_signal_handlers()
    # These imports take seconds.
    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.logging import get_logger
    from rclpy.signals import SignalHandlerOptions

    from sam2_ros.node.parameters.values import without_locations
    from sam2_ros.optional import require

    os.nice(_NICENESS)
    code = 0
    watchdog = None
    try:
        require("aiohttp", "the panel", "panel")
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        from sam2_ros.panel.node.panel_node import PanelNode

        node = PanelNode()
        logging.getLogger("sam2_ros.panel").addHandler(RosLog(node.get_logger()))
        logging.getLogger("sam2_ros.panel").setLevel(logging.INFO)
        loop = asyncio.new_event_loop()
        ended = asyncio.Event()
        watchdog = shutdown.Watchdog(stop=lambda: loop.call_soon_threadsafe(ended.set))
        loop.run_until_complete(serve(node, ended))
    except (ValueError, OSError, RuntimeError, ParameterException) as error:
        get_logger("sam2_panel").fatal(f"cannot start: {without_locations(error)}")
        code = 2
    except Exception:
        get_logger("sam2_panel").fatal(traceback.format_exc())
        code = 1
    shutdown.end_node(watchdog, code)


async def serve(node: PanelNode, ended: asyncio.Event) -> None:
    """Serve until `ended` is set. Raises OSError where the server cannot listen."""
    from rclpy.executors import SingleThreadedExecutor

    from sam2_ros.panel.hub import Hub
    from sam2_ros.panel.node.panel_node import RosTracker
    from sam2_ros.panel.server import Server

    executor = SingleThreadedExecutor()
    executor.add_node(node)
    hub = Hub(node.options, lambda text: node.get_logger().warning(text, throttle_duration_sec=5.0))
    hub.tracker = RosTracker(node, hub)
    server = Server(hub, node.access)
    for address in await server.start():
        node.get_logger().info(f"open {address}")
    threading.Thread(target=executor.spin, name="executor", daemon=True).start()
    await ended.wait()
    await server.stop()


if __name__ == "__main__":
    main()
