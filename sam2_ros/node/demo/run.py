"""The demo without `ros2 launch`: player and tracker in processes of their own, and the recorder.

python -m sam2_ros.node.demo.run [--video FILE] [--click X,Y] [--model NAME]

In the bundled clip a slow detector starts the object, in other videos a click.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while the other imports take seconds

from sam2_ros.media.video import DEMO_CLIP, VideoError, VideoInfo, probe, read_frames
from sam2_ros.model import CONFIGS
from sam2_ros.node import shutdown
from sam2_ros.node.demo.first_frame import write_first_frame
from sam2_ros.node.demo.player import CLIP_CLICK, CLIP_DETECTIONS, check_click, parse_click
from sam2_ros.node.demo.programs import DemoError
from sam2_ros.node.demo.progress import say
from sam2_ros.node.demo.recorder import FILES
from sam2_ros.node.demo.session import DemoSession
from sam2_ros.node.features import import_error

FIRST_FRAME = "first_frame.png"


class Stopped(BaseException):
    """Raised by a signal that ends the demo; its number is the argument."""


@dataclass(frozen=True)
class Start:
    """How the object is started."""

    text: str  # for the console
    parameters: dict[str, Any]  # of the player
    click: tuple[float, float] | None = None  # (x, y) pixels


def main(command_line: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    arguments = _parse(command_line)
    try:
        with _signals_raise(), _locked(arguments.output):
            return _run(arguments)
    except Stopped as stopped:
        kept = [name for name in FILES if (arguments.output / name).exists()]
        say(f"stopped  recorded until now in {arguments.output}: {', '.join(kept) or 'nothing'}")
        return 128 + int(stopped.args[0])
    except OSError as error:
        where = f"cannot write to {error.filename or arguments.output}: {error.strerror or error}"
        return _complain(f"{where}; choose another folder with --output (make demo OUTPUT=folder)")
    except (VideoError, ValueError, DemoError) as error:
        return _complain(str(error))


def _run(arguments: argparse.Namespace) -> int:
    if arguments.model not in CONFIGS:
        raise ValueError(f"unknown model {arguments.model!r}, expected one of {', '.join(CONFIGS)}")
    video = arguments.video.expanduser()
    info = probe(video)
    height, width = info.size
    say(f"video    {video}, {width}x{height} pixels, {info.rate:g} frames/s")
    rgb, _ = next(iter(read_frames(video)))
    write_first_frame(rgb, arguments.output / FIRST_FRAME)
    start = _choose_start(arguments.click, video, info)
    write_first_frame(rgb, arguments.output / FIRST_FRAME, start.click)
    say(f"model    {arguments.model} tracks {start.text}")
    network = {"model": arguments.model, "checkpoint": arguments.checkpoint}
    with DemoSession({"video": video, **start.parameters}, network, info, arguments.output) as session:
        problem = session.run()
    for name in FILES:
        say(f"wrote    {arguments.output / name}")
    if problem:
        return _complain(f"{problem}\nthe pixels are numbered in {arguments.output / FIRST_FRAME}")
    return 0


def _choose_start(click: str | None, video: Path, info: VideoInfo) -> Start:
    """Raises ValueError for a click that is malformed or outside the video.

    In the bundled clip a detector starts the object, if vision_msgs is installed.
    """
    if click is None and video == DEMO_CLIP and not import_error("vision_msgs"):
        return Start("the detections of a slow detector", {"detections": CLIP_DETECTIONS})
    height, width = info.size
    click = click or (CLIP_CLICK if video == DEMO_CLIP else f"{width // 2},{height // 2}")
    try:
        point = parse_click(click)
        check_click(point, info.size)
    except ValueError as error:
        raise ValueError(f"{error}\nthe pixels are numbered in {FIRST_FRAME} in the output folder") from error
    return Start(f"the object at {click}", {"click": click}, (point.x, point.y))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against a second demo. Raises OSError, and DemoError while another demo has locked it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, "no permission", str(folder))
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise DemoError(
            f"another demo writes to {folder}: wait for its end, or choose another folder with --output "
            "(make demo OUTPUT=folder)"
        ) from error
    finally:
        os.close(descriptor)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal raise Stopped once; the end of the demo is not interrupted."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, frame: Any) -> NoReturn:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _complain(text: str) -> int:
    for line in text.splitlines():
        print(f"demo: {line}", file=sys.stderr)
    return 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Track an object in a video that is published as a camera topic.")
    parser.add_argument("--video", type=Path, default=DEMO_CLIP, help="any video file (default: the bundled clip)")
    parser.add_argument("--click", help="X,Y of the object in pixels of the first frame (default: the image's centre)")
    parser.add_argument("--model", default="nano", help="nano or an official model, see `sam2_ros download`")
    parser.add_argument("--checkpoint", default="", help="file with the model's weights (default: its own)")
    parser.add_argument("--output", type=Path, default=Path("demo_out"), help="folder for the files")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    shutdown.exit_process(main())
