"""`sam2_ros panel`: the tracker and its web page in one process, on a video, pictures or a webcam, without ROS."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

from sam2_ros.media.sources import FOLDER_RATE, Source, open_source
from sam2_ros.optional import require
from sam2_ros.panel.playback import Frame
from sam2_ros.tracking import StreamingTracker

from .options import add_model_options, add_preset_options, model_choice, rate

_STAMP_TOLERANCE = 0.1  # seconds


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "panel",
        help="show a video, pictures or a webcam in the browser, and track what is clicked on",
        description="Prints an address to open in a browser. The video starts when the page is open: click on an "
        "object to follow it. Ctrl-C ends the command. With ROS: ros2 launch sam2_ros track.launch.py panel:=true",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a video file, a folder of pictures, or the number of a webcam"
    )
    parser.add_argument(
        "--fps", type=rate, default=FOLDER_RATE, metavar="N", help="pictures per second of a folder (default: 30)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen: 127.0.0.1, this machine only (default), or 0.0.0.0, also other machines, with a token",
    )
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="default: 8080; 0: any free one")
    add_model_options(parser)
    add_preset_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal. Raises ValueError, OSError or CheckpointError for errors that the user can correct.

    Returns 128 plus the number of the signal.
    """
    require("aiohttp", "the panel", "panel")
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO)
    source = open_source(args.source, args.fps)
    tracker = model_choice(args, args.preset).load().tracker(stamp_tolerance=_STAMP_TOLERANCE, catch_up_at_once=False)
    for step in tracker.capture():
        logging.info("capturing CUDA graphs for %s", step)
    return asyncio.run(_serve(args, source, tracker))


async def _serve(args: argparse.Namespace, source: Source, tracker: StreamingTracker) -> int:
    from sam2_ros.panel.encoding import PictureOptions
    from sam2_ros.panel.hub import Hub
    from sam2_ros.panel.local_tracker import LocalTracker
    from sam2_ros.panel.security import Access
    from sam2_ros.panel.server import Server

    opened = [source]

    def open_frames() -> Iterator[Frame]:
        return (opened.pop() if opened else open_source(args.source, args.fps)).frames

    hub = Hub(PictureOptions(), logging.warning)
    is_recording = Path(args.source).is_file() or Path(args.source).is_dir()
    local = LocalTracker(Path(args.source).name, open_frames, is_recording, tracker, hub)
    hub.tracker = local
    server = Server(hub, Access.to(args.host, args.port))
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _end, ended, number)
    addresses = await server.start()
    print("\n".join(["open in a browser:", *(f"  {address}" for address in addresses)]), flush=True)
    try:
        return 128 + await ended
    finally:
        await server.stop()
        local.close()


def _end(ended: asyncio.Future[int], number: int) -> None:
    if not ended.done():
        ended.set_result(number)
