"""SIGINT and SIGTERM end each executable orderly and in time, at any moment."""

import contextlib
import csv
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Point
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from sam2_ros.msg import Prompt, Track, TrackArray
from sam2_ros.srv import AddObject, RemoveObject, SelectObject
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sam2_ros.media.video import probe
from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message, nearest_time

from .conftest import Robot, Tracker, start_program, wait_until_it_runs
from .fork import Fork

pytestmark = pytest.mark.usefixtures("fresh_ros")

Argument = TypeVar("Argument")

LIMIT = 5.0  # seconds from the signal to the end of the process
SIDE_BY_SIDE = 3
BAD_SIGNS = ("Traceback", "terminate called", "FATAL", "not rethrown", "never retrieved", "Exception ignored", "Abort")
INTERRUPTIONS: tuple[tuple[signal.Signals, ...], ...] = (
    (signal.SIGINT,),
    (signal.SIGTERM,),
    (signal.SIGINT, signal.SIGINT),
    (signal.SIGINT, signal.SIGTERM),
)


@dataclass(frozen=True)
class Program:
    """A process whose output goes to a file."""

    process: subprocess.Popen[bytes] | Fork
    log: Path

    @classmethod
    def start(cls, log: Path, module: str, *arguments: str) -> "Program":
        return cls(start_program(log, module, *arguments), log)

    def interrupt(self, signals: Sequence[signal.Signals]) -> None:
        """Sends the signals, a moment apart, as a terminal does to all processes that it started."""
        start = time.monotonic()
        for number in signals:
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                time.sleep(0.05)
        code = self.process.wait(30)
        seconds = time.monotonic() - start
        text = self.log.read_text(errors="replace")
        assert code in (0, *(-number for number in signals)), f"exit code {code}:\n{text}"
        assert not [sign for sign in BAD_SIGNS if sign in text], text
        assert seconds < LIMIT, f"{seconds:.1f} s:\n{text}"


def side_by_side(attempt: Callable[[Argument], None], arguments: Iterable[Argument]) -> None:
    """Calls `attempt` with each argument, a few at a time."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for _ in pool.map(attempt, arguments):
            pass


# ---- the tracker

IMAGES = 100.0  # per second
PARAMETER = Parameter("prompt_timeout", value=1.0).to_parameter_msg()


class Situation:
    """A tracker that is called, shown images and prompted without a thought of whether it answers."""

    def __init__(self, robot: Robot, name: str, chance: random.Random) -> None:
        self.chance = chance
        self.robot = robot
        self._prefix = f"/{name}"
        self._change = self.robot.connected_client(ChangeState, "change_state")

    def request(self, transition: str) -> None:
        """Asks for a lifecycle transition and does not wait for the answer."""
        self._change.call_async(asking_for(transition))

    def flood(self, seconds: float) -> None:
        """Images, prompts and calls as fast as they can be sent."""
        robot, prompt = self.robot, Prompt(clicks=[self.robot.middle])
        calls = [
            (robot.node.create_client(kind, f"{self._prefix}/{name}"), request)
            for kind, name, request in (
                (AddObject, "add_object", AddObject.Request(prompt=prompt)),
                (RemoveObject, "remove_object", RemoveObject.Request(object_id=2)),
                (SelectObject, "select_object", SelectObject.Request(object_id=1)),
                (Trigger, "reset", Trigger.Request()),
                (SetBool, "enable", SetBool.Request(data=True)),
                (SetParameters, "set_parameters", SetParameters.Request(parameters=[PARAMETER])),
            )
        ]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stamp = robot.next_stamp()
            robot.send(stamp)
            robot.click_point(Point(x=20.0, y=20.0))
            wanted = stamp + self.chance.choice([-0.1, 0.0, 0.1])
            robot.prompt(Prompt(header=Header(stamp=nearest_time(wanted)), clicks=[robot.middle]))
            client, request = self.chance.choice(calls)
            client.call_async(request)
            time.sleep(1 / IMAGES)


def asking_for(transition: str) -> ChangeState.Request:
    request = ChangeState.Request()
    request.transition.label = transition
    return request


def configuring(situation: Situation) -> None:
    situation.request("configure")
    time.sleep(situation.chance.uniform(0.0, 2.0))


def activating(situation: Situation) -> None:
    assert situation.robot.change("configure") == [True]
    situation.request("activate")
    time.sleep(situation.chance.uniform(0.0, 0.1))


def flooded(situation: Situation) -> None:
    situation.robot.bring_up()
    situation.flood(situation.chance.uniform(0.1, 3.0))


def deactivating(situation: Situation) -> None:
    situation.robot.bring_up()
    situation.flood(1.0)
    situation.request("deactivate")
    time.sleep(situation.chance.uniform(0.0, 0.1))


@pytest.mark.parametrize(
    ("moment", "tries"),
    [
        *[(None, 3), (configuring, 3), (activating, 3)],
        *[
            pytest.param(moment, tries, marks=pytest.mark.slow)
            for moment, tries in [(None, 12), (configuring, 8), (activating, 6), (flooded, 14), (deactivating, 10)]
        ],
    ],
)
def test_a_signal_ends_the_tracker_at_any_moment(
    start_process: Callable[..., Tracker],
    make_robot: type[Robot],
    moment: Callable[[Situation], None] | None,
    tries: int,
) -> None:
    """None: while it imports."""

    def attempt(number: int) -> None:
        chance = random.Random(number)
        name = f"doomed_tracker_{number}"
        tracker = start_process(name, is_forked=False, image_size=64, history=8)
        with contextlib.ExitStack() as stack:
            stack.callback(tracker.process.kill)
            if moment is None:
                wait_until_it_runs(tracker.process)
                time.sleep(chance.uniform(0.0, 4.5))
            else:
                robot = make_robot(tracker, name)
                stack.callback(robot.close)
                moment(Situation(robot, name, chance))
            Program(tracker.process, tracker.log_file).interrupt(chance.choice(INTERRUPTIONS))

    side_by_side(attempt, range(tries))


def test_calls_in_flight_get_a_response_before_the_process_ends(start: Callable[..., Robot]) -> None:
    robot = start("answering_tracker", is_forked=False, image_size=64)
    robot.bring_up()
    robot.show()
    ahead = Header(stamp=nearest_time(robot.next_stamp() + 100.0))
    client = robot.connected_client(AddObject, "add_object")
    call = client.call_async(AddObject.Request(prompt=Prompt(header=ahead, clicks=[robot.middle])))
    time.sleep(0.5)
    assert not call.done()
    assert robot.tracker.end(signal.SIGINT) == 0
    time.sleep(0.5)
    assert call.done() and "the node was deactivated" in call.result().message


@pytest.mark.slow
def test_a_configuration_that_takes_minutes_is_interrupted(start: Callable[..., Robot]) -> None:
    robot = start("compiling_tracker", is_forked=False, image_size=64, compile=True)
    robot.connected_client(ChangeState, "change_state").call_async(asking_for("configure"))
    robot.wait_for_log("warming up")
    Program(robot.tracker.process, robot.tracker.log_file).interrupt((signal.SIGINT, signal.SIGTERM))


# ---- the programs of the demo

RESULTS = 30  # that a recorder receives


@pytest.mark.parametrize("module", ["sam2_ros.node.demo.player", "sam2_ros.node.demo.recorder"])
def test_a_signal_ends_a_program_while_it_starts_or_waits(tmp_path: Path, module: str) -> None:
    def attempt(delay: float) -> None:
        program = Program.start(
            tmp_path / f"log{delay}", module, "--ros-args", "-p", f"output:={tmp_path / str(delay)}"
        )
        wait_until_it_runs(program.process)
        time.sleep(delay)
        program.interrupt((signal.SIGINT,))

    side_by_side(attempt, (2.0, 1.0, 0.4, 0.0))


def test_a_signal_ends_the_player_while_it_plays(ros: None, tmp_path: Path) -> None:
    node = rclpy.create_node("viewer")
    received: list[Image] = []
    node.create_subscription(Image, "shown", received.append, qos.profile("reliable", 2))
    program = Program.start(
        tmp_path / "log",
        "sam2_ros.node.demo.player",
        "--ros-args",
        "-r",
        "image:=shown",
        "-p",
        "click:='5,5'",
        "-r",
        "prompt:=ignored",
    )
    node.create_subscription(Prompt, "ignored", lambda message: None, 1)
    while len(received) < 10:
        rclpy.spin_once(node, timeout_sec=0.1)
    program.interrupt((signal.SIGINT, signal.SIGINT))
    node.destroy_node()


@pytest.mark.slow
def test_an_interrupted_recorder_leaves_complete_files(ros: None, tmp_path: Path) -> None:
    def attempt(signals: Sequence[signal.Signals]) -> None:
        scope = "_".join(["recorded", *(number.name for number in signals)])
        output = tmp_path / scope
        topics = [part for name in ("tracks", "overlay") for part in ("-r", f"{name}:=/{scope}/{name}")]
        arguments = ["--ros-args", "-p", f"output:={output}", *topics]
        program = Program.start(tmp_path / f"log_{scope}", "sam2_ros.node.demo.recorder", *arguments)
        node = rclpy.create_node(f"source_of_{scope}")
        publish_results(node, scope)
        program.interrupt(signals)
        node.destroy_node()
        assert probe(output / "overlay.mp4").frames == RESULTS
        assert len(list(csv.DictReader((output / "tracks.csv").open()))) == RESULTS
        assert (output / "timeline.png").read_bytes().endswith(b"IEND\xaeB`\x82")

    interruptions = [(signal.SIGINT,), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM,)]
    side_by_side(attempt, interruptions)


def publish_results(node: Node, scope: str) -> None:
    """Publishes the results of a second, as soon as a recorder is connected, and waits until it has written them."""
    reliable = qos.profile("reliable", 100)
    tracks = node.create_publisher(TrackArray, f"/{scope}/tracks", reliable)
    overlays = node.create_publisher(Image, f"/{scope}/overlay", reliable)
    while not (tracks.get_subscription_count() and overlays.get_subscription_count()):
        time.sleep(0.05)
    time.sleep(3.0)  # the recorder connects later than it is discovered
    now = time.time()
    for i in range(RESULTS):
        header = Header(stamp=nearest_time(now + i / 30))
        overlays.publish(image_message(np.full((96, 128, 3), 8 * i, np.uint8), "rgb8", header))
        tracks.publish(TrackArray(header=header, image_height=96, image_width=128, tracks=[Track(id=1)]))
        time.sleep(1 / 30)
    time.sleep(3.0)
