"""A real tracker in its own process, and a camera and user that are connected over DDS."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Point, PointStamped
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from sam2_ros.msg import Click, Prompt, TrackArray, TrackEvent
from sam2_ros.srv import AddObject, RemoveObject, Segment, SelectObject
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sam2_ros.model import save_weights, seeded_model
from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message, nearest_time
from sam2_ros.node.tracker_node import TrackerNode

from .fork import Fork

TIMEOUT = 60.0  # seconds; only a failing test waits so long
HEIGHT, WIDTH = 96, 128  # pixels of the camera

SERVICES = {
    "add_object": AddObject,
    "remove_object": RemoveObject,
    "select_object": SelectObject,
    "segment": Segment,
    "reset": Trigger,
    "enable": SetBool,
    "change_state": ChangeState,
    "get_state": GetState,
    "set_parameters": SetParameters,
}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano checkpoint that finds an object wherever it is prompted."""
    path = tmp_path_factory.mktemp("weights") / "nano.safetensors"
    save_weights(seeded_model("nano", seed=0), path)
    return path


@pytest.fixture(scope="module")
def ros() -> Iterator[None]:
    """This process's connection to ROS. A signal that another test raises does not close it.

    It is a new one for each file: once many other processes have been killed, images are lost on it.
    """
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    yield
    rclpy.try_shutdown()


@pytest.fixture
def fresh_ros(ros: None) -> Iterator[None]:
    """A new connection to ROS, and another one afterwards: killed processes leave one on which images are lost."""
    _reconnect()
    yield
    _reconnect()


def _reconnect() -> None:
    rclpy.try_shutdown()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)


@pytest.fixture
def node(ros: None, weights: Path) -> Iterator[TrackerNode]:
    """A node of this process, unconfigured, with good weights."""
    node = TrackerNode()
    node.set_parameters([Parameter("checkpoint", value=str(weights)), Parameter("image_size", value=128)])
    yield node
    node.stop()
    node.destroy_node()


def start_program(log: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start an executable of the package in a process group of its own, with its output in a file.

    It starts with SIGINT ignored, as from a shell's background: that it handles SIGINT again shows that it runs.
    """
    command = ["env", "--ignore-signal=INT", sys.executable, "-m", module, *arguments]
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)


def wait_until_it_runs(process: subprocess.Popen[bytes] | Fork) -> None:
    """Wait until the interpreter has started, and the program's first line has restored the handlers of signals."""
    folder = Path(f"/proc/{process.pid}")
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        assert process.poll() is None
        is_python = (folder / "cmdline").read_bytes().startswith(os.fsencode(sys.executable))
        ignored = int(re.findall(r"SigIgn:\s*(\w+)", (folder / "status").read_text())[0], 16)
        if is_python and not ignored >> (signal.SIGINT - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError("the program does not start")


class Tracker:
    """The node's process. Its log goes to a file."""

    def __init__(self, log: Path, parameters: dict[str, Any], name: str, is_forked: bool) -> None:
        self.log_file = log
        arguments = [part for key, value in parameters.items() for part in ("-p", f"{key}:={value}")]
        command = ("sam2_ros.node.main", "--ros-args", "-r", f"__node:={name}", *arguments)
        self.process = Fork(log, *command) if is_forked else start_program(log, *command)

    @property
    def log(self) -> str:
        """Its log so far."""
        return self.log_file.read_text(errors="replace")

    def end(self, kind: signal.Signals = signal.SIGINT) -> int:
        """Its exit code; 0 also where only DDS kept it from ending."""
        if self.process.poll() is None:
            self.process.send_signal(kind)
        try:
            code = self.process.wait(TIMEOUT)
            return 0 if code == -kind else code
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Robot:
    """The environment of a node: camera, user and subscriptions."""

    def __init__(self, tracker: Tracker, name: str = "sam2_tracker") -> None:
        self.tracker = tracker
        self.node = rclpy.create_node(f"robot_of_{name}")
        self.tracks: list[TrackArray] = []
        self.events: list[TrackEvent] = []
        self.masks: list[Image] = []
        self.target_masks: list[Image] = []
        self.overlays: list[Image] = []
        self.diagnostics: list[DiagnosticArray] = []
        self._stamp = 1_700_000_000.0  # of the newest image, seconds
        self._prefix = prefix = f"/{name}"
        results = qos.profile("reliable", 100)
        for kind, topic, received in (
            (TrackArray, f"{prefix}/tracks", self.tracks),
            (TrackEvent, f"{prefix}/events", self.events),
            (Image, f"{prefix}/masks", self.masks),
            (Image, f"{prefix}/target_mask", self.target_masks),
            (Image, f"{prefix}/overlay", self.overlays),
            (DiagnosticArray, "/diagnostics", self.diagnostics),
        ):
            self.node.create_subscription(kind, topic, received.append, results)
        self._camera = self.node.create_publisher(Image, "image", results)
        self._compressed_camera = self.node.create_publisher(CompressedImage, "image/compressed", results)
        self._prompts = self.node.create_publisher(Prompt, f"{prefix}/prompt", results)
        self._clicks = self.node.create_publisher(PointStamped, f"{prefix}/click", results)
        self._click_points = self.node.create_publisher(Point, f"{prefix}/click_point", results)
        self._clients = {
            service: self.node.create_client(kind, f"{prefix}/{service}") for service, kind in SERVICES.items()
        }
        self._is_connected = False
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Unsubscribe."""
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()

    # ---- waiting

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        """The first true value of `condition`; fails the test after a timeout."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            answer = condition()
            if answer:
                return answer
            assert self.tracker.process.poll() is None, f"the node died:\n{self.tracker.log}"
            time.sleep(0.01)
        raise AssertionError(f"no {what}; the node's log:\n{self.tracker.log}")

    def wait_for_log(self, text: str) -> None:
        """Wait until the node has logged this text."""
        self.wait_for(lambda: text in self.tracker.log, f"log of {text!r}")

    def wait_for_event(self, kind: int, after: int = 0) -> TrackEvent:
        """The first event of a type, without the first `after` events."""
        events = lambda: [event for event in self.events[after:] if event.type == kind]  # noqa: E731
        return self.wait_for(events, f"event of type {kind}")[0]

    # ---- lifecycle

    def _connect_services(self) -> None:
        """Wait until the services are connected."""
        for service, client in self._clients.items():
            self.wait_for(client.service_is_ready, f"service {service}")
        self.wait_for_discovery()
        self._is_connected = True

    def wait_for_discovery(self) -> None:
        """Wait until the node has discovered all publishers, subscriptions and clients that exist here.

        DDS loses messages to those that it has not discovered yet. It discovers those of a process in order, so a
        response to the newest client shows that the others are known.
        """
        client = self.node.create_client(GetState, f"{self._prefix}/get_state")
        calls: list[Future] = []

        def responds() -> bool:
            calls.append(client.call_async(GetState.Request()))
            time.sleep(0.05)
            return any(call.done() for call in calls)

        self.wait_for(responds, "response of get_state")
        self.node.destroy_client(client)

    def call(self, service: str, request: Any) -> Any:
        """The response of a service."""
        if not self._is_connected:
            self._connect_services()
        client = self._clients[service]
        answer = client.call_async(request)
        self.wait_for(answer.done, f"answer of {service}")
        return answer.result()

    def connected_client(self, kind: type, service: str) -> Client:
        """A connected client for many simultaneous calls."""
        client = self.node.create_client(kind, f"{self._prefix}/{service}", qos_profile=qos.profile("reliable", 1000))
        self.wait_for(client.service_is_ready, f"service {service}")
        self.wait_for_discovery()
        return client

    def change(self, *transitions: str) -> list[bool]:
        """Request lifecycle transitions by name; which of them succeeded."""
        made = []
        for label in transitions:
            request = ChangeState.Request()
            request.transition.label = label
            made.append(self.call("change_state", request).success)
        return made

    def bring_up(self) -> None:
        """Activate the node and wait until it is connected to this robot's camera and prompts."""
        assert self.change("configure", "activate") == [True, True], self.tracker.log
        self.connect()

    def connect(self) -> None:
        """Wait until the active node is connected to this robot's camera and prompts."""
        publishers = [self._prompts, self._clicks, self._click_points]
        for publisher in publishers:
            self.wait_for(publisher.get_subscription_count, f"subscription to {publisher.topic_name}")
        cameras = (self._camera, self._compressed_camera)
        self.wait_for(lambda: any(camera.get_subscription_count() for camera in cameras), "subscription to images")
        topics = ("tracks", "events", "masks", "target_mask", "overlay")
        for topic in topics:
            full = f"{self._prefix}/{topic}"
            self.wait_for(partial(self.node.count_publishers, full), f"publisher of {full}")

    @property
    def state(self) -> str:
        """The node's lifecycle state."""
        return self.call("get_state", GetState.Request()).current_state.label

    def set_parameter(self, name: str, value: Any) -> Any:
        """rcl_interfaces/SetParametersResult"""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call("set_parameters", request).results[0]

    # ---- camera

    def next_stamp(self) -> float:
        """A thirtieth of a second after the last image."""
        self._stamp = round(self._stamp + 1 / 30, 4)
        return self._stamp

    def send(self, stamp: float, pixels: np.ndarray | None = None, encoding: str = "rgb8") -> Header:
        """Sends an image of noise, or these pixels; its header."""
        self._stamp = stamp
        header = Header(stamp=nearest_time(stamp), frame_id="optical")
        if pixels is None:
            pixels = np.random.default_rng(int(stamp * 1e4)).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        self.send_message(image_message(pixels, encoding, header))
        return header

    def send_message(self, message: Image | CompressedImage) -> None:
        """Sends an image as it is."""
        (self._camera if isinstance(message, Image) else self._compressed_camera).publish(message)

    def show(self, stamp: float | None = None, pixels: np.ndarray | None = None) -> TrackArray:
        """Publish images until one is processed; its tracks. Best effort may lose the first images."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            header = self.send(self.next_stamp() if stamp is None else stamp, pixels)
            for _ in range(300):
                if found := self.tracks_of(header):
                    return found[-1]
                assert self.tracker.process.poll() is None, f"the node died:\n{self.tracker.log}"
                time.sleep(0.01)
        raise AssertionError(f"no tracks for the image of {header.stamp}; the node's log:\n{self.tracker.log}")

    def jump(self, stamp: float) -> TrackArray:
        """Publish images with stamps from another time until one is processed; its tracks."""
        self._stamp = stamp
        for _ in range(2):  # which are ignored as strays
            self.send(self.next_stamp())
            time.sleep(0.05)  # the node's queue holds one image
        return self.show()

    def tracks_of(self, header: Header) -> list[TrackArray]:
        """All that were published for an image."""
        return [message for message in list(self.tracks) if message.header == header]

    # ---- user

    def prompt(self, message: Prompt) -> None:
        self._prompts.publish(message)

    def click(self, message: PointStamped) -> None:
        self._clicks.publish(message)

    def click_point(self, message: Point) -> None:
        self._click_points.publish(message)

    def add(self, **fields: Any) -> AddObject.Response:
        """Calls ~/add_object with a prompt of these fields; a click in the middle where none are given."""
        return self.call("add_object", AddObject.Request(prompt=Prompt(**fields or {"clicks": [self.middle]})))

    @property
    def middle(self) -> Click:
        return Click(x=WIDTH / 2, y=HEIGHT / 2)

    def drop_objects(self) -> None:
        """Drop the node's objects and this robot's received messages."""
        self.call("reset", Trigger.Request())
        self.show()
        self.wait_for_event(TrackEvent.RESET)  # comes after the tracks
        for received in (self.tracks, self.events, self.masks, self.target_masks, self.overlays):
            received.clear()


@pytest.fixture(scope="module")
def start_process(ros: None, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Tracker]:
    """Start the process of a node with these parameters; the caller ends it. A forked one has its imports already."""

    def run(name: str = "sam2_tracker", is_forked: bool = True, **parameters: Any) -> Tracker:
        parameters = {"checkpoint": weights, "image_size": 128, "diagnostics_period": 0.2, **parameters}
        return Tracker(tmp_path_factory.mktemp("node") / "log", parameters, name, is_forked)

    return run


@pytest.fixture(scope="session")
def make_robot() -> type[Robot]:
    """Makes the robot around a node's process."""
    return Robot


@pytest.fixture(scope="module")
def start(start_process: Callable[..., Tracker]) -> Iterator[Callable[..., Robot]]:
    """Start an unconfigured node with these parameters; it ends with the module, or for another one of its name."""
    robots: dict[str, Robot] = {}

    def end(name: str) -> None:
        robot = robots.pop(name)
        robot.close()
        robot.tracker.end()

    def run(name: str = "sam2_tracker", **parameters: Any) -> Robot:
        if name in robots:  # of a test that is repeated
            end(name)
        robots[name] = Robot(start_process(name, **parameters), name)
        return robots[name]

    yield run
    for name in list(robots):
        end(name)


@pytest.fixture(scope="module")
def shared_robot(start: Callable[..., Robot]) -> Robot:
    """An active node, one for the module."""
    robot = start()
    robot.bring_up()
    return robot


@pytest.fixture
def robot(shared_robot: Robot) -> Robot:
    """The module's node, without objects, after it has processed an image."""
    shared_robot.drop_objects()
    return shared_robot
