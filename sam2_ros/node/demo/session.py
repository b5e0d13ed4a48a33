"""One run of the demo: starts its processes, waits until they have discovered each other over DDS, and ends them.

Participants that start at the same time on a busy machine may never discover each other. A new participant is
discovered, so the demo connects again a few times, and prints that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from sam2_ros.media.video import VideoInfo
from sam2_ros.node.demo.player import EXIT_NO_SUBSCRIBER
from sam2_ros.node.demo.programs import DemoError, Program, ros_arguments
from sam2_ros.node.demo.progress import say
from sam2_ros.node.demo.recorder import Recorder

_TRACKER = "sam2_tracker"
_RECORDED = ("tracks", "events", "overlay", "prompt", "detections")
_PLAYED = ("prompt", "detections")
_RUNNING_NODE_TIMEOUT = 2.0  # seconds in which a node that runs already is discovered
_DISCOVERY_TIMEOUTS = 6 * (20.0,)  # seconds of each attempt, with the start of the process
_CONNECTING = 1.0  # seconds after discovery in which messages may still be lost
_ANSWER_TIMEOUT = 10.0  # seconds of each question for the tracker's state
_LOAD_TIMEOUT = 600.0  # seconds that a model may take to load
_FIRST_RESULT_TIMEOUT = 120.0  # seconds after the video's end
_LOG_PERIOD = 10.0  # seconds between two lines while waiting


class DemoSession:
    """Runs player, tracker and recorder to their end, as a context manager that stops all processes.

    The recording is written at the end, also after an error.
    """

    def __init__(self, camera: dict[str, Any], network: dict[str, Any], info: VideoInfo, output: Path) -> None:
        """`camera` and `network` are parameters of player and tracker; `output` is the folder for the files."""
        self._camera, self._network, self._info, self._output = camera, network, info, output
        self._programs: dict[str, Program] = {}

    def __enter__(self) -> DemoSession:
        self._connect()
        return self

    def __exit__(self, *error: object) -> None:
        for program in reversed(self._programs.values()):
            program.stop()
        if not self._recorder.is_empty:
            self._recorder.finish()

    def run(self) -> str:
        """Run to the end; returns why the recording has no objects, or "". Raises DemoError when a process fails."""
        self._spin(_RUNNING_NODE_TIMEOUT)
        self._refuse_second_tracker()
        say("starting the tracker")
        # Reliable, so that frames are dropped only because of the network's speed.
        tracker = self._start("tracker", "sam2_ros.node.main", {**self._network, "image_reliability": "reliable"}, ())
        self._find("the tracker", lambda: self._client.service_is_ready() and self._state_client.service_is_ready())
        self._refuse_second_tracker()
        say("loading the model")
        self._change(tracker, Transition.TRANSITION_CONFIGURE)
        self._find("the tracker's topics", lambda: self._recorder.is_connected)
        self._change(tracker, Transition.TRANSITION_ACTIVATE)
        say("starting the camera")
        self._play()
        return self._recorder.problem()

    # ---- stages of a run

    def _connect(self) -> None:
        """Connect as a new DDS participant. The old one is not destroyed: over TCP that could block."""
        context = Context()
        try:
            rclpy.init(context=context)
        except RuntimeError as error:  # for example for a ROS_DOMAIN_ID that is no number
            raise DemoError(
                f"ROS cannot start: {error}; check the variables ROS_DOMAIN_ID and RMW_IMPLEMENTATION"
            ) from error
        settings = {"output": str(self._output), "rate": float(self._info.rate), "frames": self._info.frames}
        self._recorder = Recorder(
            context=context,
            parameter_overrides=[Parameter(name, value=value) for name, value in settings.items()],
            cli_args=["--ros-args", *ros_arguments({}, _topics(_RECORDED))],
        )
        self._client: Client = self._recorder.create_client(ChangeState, f"/{_TRACKER}/change_state")
        self._state_client: Client = self._recorder.create_client(GetState, f"/{_TRACKER}/get_state")
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._recorder)

    def _refuse_second_tracker(self) -> None:
        """Raises DemoError when a tracker that is not the demo's own has been discovered.

        Of two trackers either may answer; the demo's own is unconfigured.
        """
        own = "tracker" in self._programs
        count = self._recorder.count_publishers(f"/{_TRACKER}/transition_event")
        if count > own or (own and self._tracker_state() != State.PRIMARY_STATE_UNCONFIGURED):
            raise DemoError(
                f"a node {_TRACKER} runs already in ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}: end it, or "
                "set ROS_DOMAIN_ID to another number from 0 to 101"
            )

    def _tracker_state(self) -> int:
        """The id of the state that a tracker answers with; it is asked again where the answer is lost."""
        for _ in _DISCOVERY_TIMEOUTS:
            future = self._state_client.call_async(GetState.Request())
            if self._wait("the tracker's state", future.done, _ANSWER_TIMEOUT):
                return int(future.result().current_state.id)
            self._state_client.remove_pending_request(future)
        raise _not_connected("the tracker's state")

    def _find(self, what: str, is_found: Callable[[], bool]) -> None:
        """Wait until a part of the tracker is discovered; each further attempt is a new participant."""
        for attempt, timeout in enumerate(_DISCOVERY_TIMEOUTS, 1):
            if self._wait(what, is_found, timeout):
                self._spin(_CONNECTING)
                return
            say(f"not found over DDS: {what} ({_of_all(attempt)}), connecting again")
            self._connect()
        raise _not_connected(what)

    def _play(self) -> None:
        """Play the video until the recorder has all results; restart a player that discovers no tracker."""
        for attempt, timeout in enumerate(_DISCOVERY_TIMEOUTS, 1):
            parameters = {**self._camera, "subscriber_timeout": timeout}
            player = self._start("player", "sam2_ros.node.demo.player", parameters, _PLAYED)
            while player.exit_code is None and not self._recorder.is_rejected:
                self._spin_once()
            if player.exit_code != EXIT_NO_SUBSCRIBER:
                break
            say(f"not found over DDS: the tracker by the camera ({_of_all(attempt)}), starting it again")
        if player.exit_code == EXIT_NO_SUBSCRIBER:
            raise _not_connected("the tracker by the camera")
        if player.exit_code:
            raise player.failure()
        if not self._wait("the first result", lambda: not self._recorder.is_empty, _FIRST_RESULT_TIMEOUT):
            raise _not_connected("the tracker's results")
        while not self._recorder.is_over:
            self._spin_once()

    # ---- parts of stages

    def _start(self, name: str, module: str, parameters: dict[str, Any], topics: tuple[str, ...]) -> Program:
        program = Program.start(name, module, ros_arguments(parameters, _topics(topics)), self._output)
        self._programs[name] = program
        return program

    def _change(self, tracker: Program, transition: int) -> None:
        future = self._client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        if not self._wait("the tracker's response", future.done, _LOAD_TIMEOUT) or not future.result().success:
            raise tracker.failure()

    def _wait(self, what: str, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether the condition became true in time; prints regularly what it waits for."""
        start = time.monotonic()
        next_line = start + _LOG_PERIOD
        while not condition():
            now = time.monotonic()
            if now > start + seconds:
                return False
            if now > next_line:
                say(f"waiting  for {what} ({now - start:.0f} s)")
                next_line = now + _LOG_PERIOD
            self._spin_once()
        return True

    def _spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._spin_once()

    def _spin_once(self) -> None:
        """Raises DemoError when the tracker has ended."""
        self._executor.spin_once(timeout_sec=0.1)
        tracker = self._programs.get("tracker")
        if tracker and tracker.exit_code is not None:
            raise tracker.failure()


def _topics(names: tuple[str, ...]) -> dict[str, str]:
    return {name: f"/{_TRACKER}/{name}" for name in names}


def _of_all(attempt: int) -> str:
    return f"attempt {attempt} of {len(_DISCOVERY_TIMEOUTS)}"


def _not_connected(what: str) -> DemoError:
    return DemoError(
        f"not found over DDS: {what}\n"
        "the programs run, but do not discover each other: the machine is too busy, or a firewall, VPN or container "
        "keeps multicast out\n"
        "try again, or with another transport: FASTDDS_BUILTIN_TRANSPORTS=DEFAULT make demo"
    )
