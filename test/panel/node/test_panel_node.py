"""The panel's node in a process of its own, beside a real tracker and a camera, seen in a real browser."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from sam2_ros.msg import TrackArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message, nearest_time

RED, BLUE = (100, 120), (230, 120)
TIMEOUT = 90.0  # seconds; only a failing test waits so long
RATE = 8.0  # images per second
Open = Callable[..., Any]


class Process:
    """A program with a log file."""

    def __init__(self, log: Path, module: str, **parameters: Any) -> None:
        self.log_file = log
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
        command = [sys.executable, "-m", module, "--ros-args", *arguments]
        with log.open("ab") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def end(self, kind: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(kind)
        return self.process.wait(TIMEOUT)


class Robot:
    """A camera that sees two squares, the tracker and the panel."""

    def __init__(self, folder: Path, picture: Callable[..., np.ndarray]) -> None:
        self._folder = folder
        self._picture = picture
        self.has_red = True
        self.is_on = True
        self.offset = 0.0  # of the camera's clock, seconds
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("robot_of_the_panel", context=self._context)
        self.camera = self.node.create_publisher(Image, "image", qos.profile("reliable", 2))
        self.tracks: list[TrackArray] = []
        self.node.create_subscription(TrackArray, "sam2_tracker/tracks", self._on_tracks, qos.profile("reliable", 2))
        self._changes = self.node.create_client(ChangeState, "sam2_tracker/change_state")
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._executor.spin, self._film)]
        for thread in self._threads:
            thread.start()
        self.start_tracker()
        self.activate()
        self.panel = self.start_panel(port=0)
        self.address = self.wait(lambda: re.findall(r"open (http://\S+)", self.panel.log), "address")[0]

    def start_tracker(self) -> None:
        parameters = {"image_size": 192, "diagnostics_period": 0.5}
        self.tracker = Process(self._folder / "tracker.log", "sam2_ros.node.main", **parameters)

    def start_panel(self, **parameters: Any) -> Process:
        number = len(list(self._folder.glob("panel*.log")))
        return Process(self._folder / f"panel{number}.log", "sam2_ros.panel.node.main", **parameters)

    def activate(self) -> None:
        """Bring the tracker to active; repeated, because a killed process stays discoverable for up to 20 s."""
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            self.change(transition)

    def change(self, transition: int) -> None:
        def is_made() -> bool:
            self.wait(self._changes.service_is_ready, "tracker")
            answer = self._changes.call_async(ChangeState.Request(transition=Transition(id=transition)))
            end = time.monotonic() + 15.0
            while not answer.done() and time.monotonic() < end:
                time.sleep(0.05)
            return bool(answer.done() and answer.result().success)

        self.wait(is_made, f"transition {transition}")

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.05)
        logs = "\n".join(file.read_text(errors="replace")[-3000:] for file in self._folder.glob("*.log"))
        raise AssertionError(f"no {what}; the logs:\n{logs}")

    @property
    def viewers(self) -> int:
        """Subscriptions to the camera, without the tracker's."""
        names = [info.node_name for info in self.node.get_subscriptions_info_by_topic(self.camera.topic_name)]
        return names.count("sam2_panel")

    def close(self) -> None:
        self._ended.set()
        for process in (self.panel, self.tracker):
            process.end()
        self._executor.shutdown()
        for thread in self._threads:
            thread.join()

    def _film(self) -> None:
        while not self._ended.wait(1 / RATE):
            if self.is_on:
                squares = [("blue", *BLUE, 26)] + ([("red", *RED, 24)] if self.has_red else [])
                header = Header(stamp=nearest_time(time.time() + self.offset), frame_id="camera")
                self.camera.publish(image_message(self._picture(*squares), "rgb8", header))

    def _on_tracks(self, message: TrackArray) -> None:
        self.tracks[:] = [message]


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory, picture: Callable[..., np.ndarray]) -> Iterator[Robot]:
    robot = Robot(tmp_path_factory.mktemp("robot"), picture)
    yield robot
    robot.close()


@pytest.fixture
def page(robot: Robot, open_page: Open) -> Iterator[Any]:
    """The page, without objects."""
    robot.has_red, robot.is_on = True, True
    page = open_page(robot.address)
    page.wait_for("#tracker-state", "tracking")
    page.wait(lambda: page.page.get_attribute("html", "data-stamp"), f"picture; {robot.panel.log}")
    if page.ids():
        page.page.click("#reset")
        page.page.click("#reset")
        page.wait(lambda: not page.ids(), "empty list")
        before = page.stamp  # of a picture that the reset has dropped
        page.wait(lambda: page.stamp > before + 0.3, "newer picture")
    return page


def test_the_panel_subscribes_only_while_a_browser_looks(robot: Robot, open_page: Open) -> None:
    robot.wait(lambda: robot.viewers == 0, "panel without subscription")
    page = open_page(robot.address)
    robot.wait(lambda: robot.viewers == 1, "subscription")
    other = open_page(robot.address)
    other.wait(lambda: other.stamp, "picture")
    assert robot.viewers == 1
    for each in (page, other):
        each.page.goto("about:blank")
    robot.wait(lambda: robot.viewers == 0, "end of the subscription")


def test_a_click_in_the_browser_starts_an_object_of_the_tracker(robot: Robot, page: Any) -> None:
    page.page.fill("#label", "cup")
    number = page.start(RED)
    page.wait_for("#toasts", f"object {number} started")
    page.wait_for("#events", "started")
    track = robot.wait(lambda: robot.tracks[0].tracks and robot.tracks[0].tracks[0], "track")
    assert (track.id, track.label) == (number, "cup")
    assert abs((track.box.x_min + track.box.x_max) / 2 - RED[0]) < 10
    page.shot("node")


def test_box_mask_correction_target_and_removal_reach_the_tracker(robot: Robot, page: Any) -> None:
    page.drag((200, 90), (260, 150))
    (blue,) = page.wait(page.ids, "object of the box")
    page.page.keyboard.press("1")
    page.click((235, 125))
    page.wait_for("#toasts", f"object {blue} corrected")
    page.page.keyboard.press("u")
    page.wait_for("#toasts", "is taken back")
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("Space")
    page.wait_for("#tracker-state", "paused")
    page.page.keyboard.press("p")
    page.drag((80, 100), (120, 100), (120, 140), (80, 140), (80, 100))
    page.page.keyboard.press("Enter")
    page.wait_for("#toasts", f"object {blue + 1} started")
    page.page.keyboard.press("Space")
    page.wait(lambda: page.ids() == {blue, blue + 1}, "both objects")
    page.page.keyboard.press("2")
    page.page.keyboard.press("t")
    page.wait(lambda: "★" in page.object(blue + 1).inner_text(), "star at the target")
    page.page.keyboard.press("Delete")
    page.wait(lambda: page.ids() == {blue}, "list without the removed")
    robot.wait(lambda: [track.id for track in robot.tracks[0].tracks] == [blue], "tracks without the removed")


def test_a_lost_object_is_shown_with_its_seconds_and_its_return(robot: Robot, page: Any) -> None:
    page.start(RED)
    robot.has_red = False
    page.wait_for("#objects .state", "lost")
    robot.has_red = True
    page.wait_for("#events", "reacquired")
    page.wait_for("#objects .state", "in view")


ASK = """(prompt) => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/socket`), said = [];
    socket.onopen = () => socket.send(JSON.stringify({ type: "prompt", request: 1, label: "", ...prompt }));
    socket.onmessage = ({ data }) => {
        const message = typeof data === "string" ? JSON.parse(data) : {};
        if (message.type === "waiting" || message.type === "reply") said.push(message);
        if (message.type === "reply") resolve(said);
    };
})"""


def test_a_rejected_prompt_is_answered_with_the_reason(page: Any) -> None:
    (reply,) = page.page.evaluate(ASK, {"object_id": 99, "stamp": [1, 0], "box": [1, 1, 9, 9]})
    assert not reply["ok"] and reply["message"].startswith("there is no object 99")
    (reply,) = page.page.evaluate(ASK, {"object_id": 0, "stamp": [1, 0], "box": [1, 1, 9, 9]})
    assert "no buffered frame is stamped 1.000000 s" in reply["message"]


def test_a_prompt_whose_image_does_not_come_is_answered_twice(page: Any) -> None:
    future = int(page.stamp) + 1000
    first, last = page.page.evaluate(ASK, {"object_id": 0, "stamp": [future, 0], "box": [1, 1, 9, 9]})
    assert first["type"] == "waiting" and "has not answered yet" in first["message"]
    assert not last["ok"] and "did not arrive within prompt_timeout" in last["message"]


def test_a_browser_that_reads_nothing_keeps_nobody_waiting(robot: Robot, page: Any) -> None:
    async def stare(ready: threading.Event, done: threading.Event) -> None:
        origin = robot.address.rstrip("/")
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{origin}/socket", origin=origin):
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.1)

    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(stare(ready, done)), daemon=True)
    thread.start()
    assert ready.wait(TIMEOUT)
    before = page.stamp
    page.wait(lambda: page.stamp > before + 3.0, "newer pictures")
    done.set()
    thread.join(TIMEOUT)


def test_a_clock_that_jumps_back_is_an_event_and_pictures_continue(robot: Robot, page: Any) -> None:
    page.start(RED)
    before = page.stamp
    robot.offset -= 1000.0
    page.wait(lambda: page.stamp < before - 500, "picture after the jump")
    page.wait_for("#events", "reset")
    page.wait(lambda: not page.ids(), "empty list")
    after = page.stamp
    page.wait(lambda: page.stamp > after + 0.3, "newer picture")
    page.start(RED)


def test_a_camera_that_stops_is_named(robot: Robot, page: Any) -> None:
    robot.is_on = False
    page.wait_for("#problem", "no image on /image for")
    robot.is_on = True
    page.wait(lambda: not page.page.is_visible("#problem"), "end of the problem")


def test_an_inactive_tracker_is_named_and_clicks_are_answered(robot: Robot, page: Any) -> None:
    robot.change(Transition.TRANSITION_DEACTIVATE)
    page.wait_for("#tracker-state", "inactive")
    page.wait_for("#problem", "ros2 lifecycle set /sam2_tracker activate")
    page.click(RED)
    page.wait_for("#toasts", "not done: the tracker is inactive")
    robot.change(Transition.TRANSITION_ACTIVATE)
    page.wait_for("#tracker-state", "tracking")


@pytest.mark.slow
def test_a_tracker_that_dies_and_comes_back_is_shown(robot: Robot, page: Any) -> None:
    page.start(RED)
    robot.tracker.process.kill()
    robot.tracker.process.wait()
    page.wait_for("#tracker-state", "missing")
    before = page.stamp
    page.wait(lambda: page.stamp > before, "live picture without a tracker")
    page.wait(lambda: "is-stale" in (page.page.get_attribute("#objects", "class") or ""), "mark of stale objects")
    page.shot("missing")
    robot.start_tracker()
    robot.activate()
    page.wait_for("#tracker-state", "tracking")
    page.wait(lambda: not page.ids(), "empty list")
    after = page.stamp
    page.wait(lambda: page.stamp > after + 0.3, "newer picture")
    page.start(RED)


def test_a_port_in_use_is_one_clear_line(robot: Robot) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        panel = robot.start_panel(port=port)
        assert panel.process.wait(TIMEOUT) == 2
    assert f"cannot start: port {port} of 127.0.0.1 is in use: choose another port" in panel.log
    assert "Traceback" not in panel.log


def test_the_node_ends_with_exit_code_0(robot: Robot) -> None:
    panel = robot.start_panel(port=0, host="0.0.0.0")
    robot.wait(lambda: "open http" in panel.log, "address")
    assert re.search(r"open http://\S+/#\S{32}", panel.log)
    code = panel.end(signal.SIGINT)
    assert code in (0, -signal.SIGINT)  # the signal's where DDS cannot end
    assert "Traceback" not in panel.log
