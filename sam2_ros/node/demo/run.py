"""The demo, without `ros2 launch`: a player, the tracker and a recorder, each in a process of its own.

python -m sam2_ros.node.demo.run [--video FILE] [--click X,Y] [--model NAME]

In our own clip a slow detector starts the object, in other videos a click.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.client import Client
from rclpy.executors import ExternalShutdownException

from sam2_ros.media.video import DEMO_CLIP, VideoError, VideoInfo, probe
from sam2_ros.node.demo.player import CLIP_CLICK, CLIP_DETECTIONS, parse_click
from sam2_ros.node.features import problem_with

_TRACKER = "sam2_tracker"
_RECORDED = ("tracks", "events", "overlay")
_GIVEN = ("prompt", "detections")
_STARTING = 120.0  # seconds that the programs may take to come up
_MEETING = 1.0  # seconds in which two programs connect after they have seen each other: before that data is lost
_LOADING = 300.0  # seconds that a model may take to load
_STOPPING = 10.0  # seconds that a process may take to end
_TAIL = 30  # lines of a log that are shown


class DemoError(RuntimeError):
    """What ended the demo early."""


@dataclass(frozen=True)
class Program:
    """A process of the demo; what it prints is in `log`, or on the terminal where there is none."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None

    @classmethod
    def start(cls, name: str, module: str, ros_arguments: Sequence[str], log: Path | None) -> Program:
        """Runs a module of ours with parameters and remappings."""
        command = [sys.executable, "-m", module, "--ros-args", *ros_arguments]
        if log is None:
            return cls(name, subprocess.Popen(command), None)
        with log.open("wb") as file:
            return cls(name, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT), log)

    def complain(self) -> DemoError:
        """Why the demo cannot go on without it, with the end of its log."""
        code = self.process.returncode
        what = f"the {self.name} failed" if code is None else f"the {self.name} ended with exit code {code}"
        if self.log is None:
            return DemoError(what)
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL:]
        return DemoError("\n".join([f"{what}; the end of {self.log}:", *(f"    {line}" for line in lines)]))

    def wait(self) -> None:
        """For it to end as it was asked to; it is made to where it does not."""
        try:
            self.process.wait(_STOPPING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Demo:
    """Runs the three programs to their end. A context manager, which leaves none of them behind."""

    def __init__(self, camera: dict[str, Any], network: dict[str, Any], output: Path) -> None:
        """The parameters of the player and of the tracker, and the folder to write to."""
        self._camera, self._network, self._output = camera, network, output
        self._programs: list[Program] = []

    def __enter__(self) -> Demo:
        rclpy.init()
        self._node = rclpy.create_node("demo")
        return self

    def __exit__(self, *error: object) -> None:
        for program in self._programs:
            program.process.terminate()
        for program in self._programs:
            program.wait()
        rclpy.try_shutdown()

    def run(self, info: VideoInfo) -> None:
        """Raises DemoError as soon as one of the programs fails."""
        # Every frame of a file can be had, so that only the network's speed decides which are dropped.
        self._start("tracker", "sam2_ros.node.main", {**self._network, "image_reliability": "reliable"}, log=True)
        client = self._node.create_client(ChangeState, f"/{_TRACKER}/change_state")
        self._wait_for(client.service_is_ready, _STARTING)
        time.sleep(_MEETING)
        self._change(client, Transition.TRANSITION_CONFIGURE)
        # One after the other: programs that meet while they start may never hear each other.
        topics = {name: f"/{_TRACKER}/{name}" for name in _RECORDED}
        recorder = self._start(
            "recorder",
            "sam2_ros.node.demo.recorder",
            {"output": self._output, "rate": float(info.rate), "frames": info.frames},
            topics,
        )
        self._wait_for(lambda: all(map(self._node.count_subscribers, topics.values())), _STARTING)
        time.sleep(_MEETING)
        self._change(client, Transition.TRANSITION_ACTIVATE)
        topics = {name: f"/{_TRACKER}/{name}" for name in _GIVEN}
        self._start("player", "sam2_ros.node.demo.player", self._camera, topics, log=True)
        self._wait_for(lambda: recorder.process.poll() == 0)

    def _start(
        self,
        name: str,
        module: str,
        parameters: dict[str, Any],
        topics: dict[str, str] | None = None,
        log: bool = False,
    ) -> Program:
        arguments = [part for key, value in parameters.items() for part in ("-p", f"{key}:={_yaml(value)}")]
        arguments += [part for key, value in (topics or {}).items() for part in ("-r", f"{key}:={value}")]
        program = Program.start(name, module, arguments, self._output / f"{name}.log" if log else None)
        self._programs.append(program)
        return program

    def _change(self, client: Client, transition: int) -> None:
        answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self._wait_for(answer.done, _LOADING)
        if not answer.result().success:
            raise self._programs[0].complain()

    def _wait_for(self, condition: Callable[[], bool], patience: float = float("inf")) -> None:
        """Raises DemoError when a program has failed meanwhile, or the patience (seconds) is at its end."""
        deadline = time.monotonic() + patience
        while not condition():
            for program in self._programs:
                code = program.process.poll()
                if code or (code == 0 and program.name == "tracker"):
                    raise program.complain()
            if time.monotonic() > deadline:
                raise self._programs[-1].complain()
            rclpy.spin_once(self._node, timeout_sec=0.1)


def _yaml(value: Any) -> str:
    """As ROS reads it on a command line; quotes keep text from being taken for a number."""
    return str(value) if isinstance(value, (int, float)) else json.dumps(str(value))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Follow an object through a video that arrives as a camera topic.")
    parser.add_argument(
        "--video", type=Path, default=DEMO_CLIP, help="any file that OpenCV reads (default: a clip of ours)"
    )
    parser.add_argument("--click", help="X,Y of the object in pixels of the first frame (default: the image's centre)")
    parser.add_argument("--model", default="nano", help="nano or an official model, see `sam2_ros download`")
    parser.add_argument("--checkpoint", default="", help="file with the model's weights (default: its own)")
    parser.add_argument("--output", type=Path, default=Path("demo_out"), help="folder for what it leaves behind")
    return parser.parse_args(arguments)


def _choose_start(click: str | None, video: Path, info: VideoInfo) -> tuple[str, dict[str, Any]]:
    """How the object is started, in words and as parameters of the player. Raises ValueError for a malformed click.

    In our own clip that is a detector, where its messages can be had.
    """
    if click is None and video == DEMO_CLIP and not problem_with("vision_msgs"):
        return "what a slow detector finds", {"detections": CLIP_DETECTIONS}
    height, width = info.size
    click = click or (CLIP_CLICK if video == DEMO_CLIP else f"{width // 2},{height // 2}")
    parse_click(click)
    return f"what is at {click}", {"click": click}


def main(command_line: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    arguments = _parse(command_line)
    try:
        info = probe(arguments.video)
        start, given = _choose_start(arguments.click, arguments.video, info)
        arguments.output.mkdir(parents=True, exist_ok=True)
        print(f"{arguments.model} follows {start} in {arguments.video.name}, as a camera would see it", flush=True)
        camera = {"video": arguments.video, **given}
        network = {"model": arguments.model, "checkpoint": arguments.checkpoint}
        with Demo(camera, network, arguments.output) as demo:
            demo.run(info)
    except (VideoError, ValueError, OSError, DemoError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    for name in ("overlay.mp4", "timeline.png", "tracks.csv"):
        print(f"wrote    {arguments.output / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
