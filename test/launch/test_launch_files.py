"""The launch files. Needs `launch`, which is part of every ROS distribution, but not on PyPI."""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("launch_ros.actions", reason="needs `launch` and `launch_ros` of a ROS 2 distribution")

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launch_ros.actions import LifecycleNode, Node
from launch_ros.utilities import evaluate_parameters, normalize_parameters

from sam2_ros.node.launching.values import as_written

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
TRANSPORT = "FASTDDS_BUILTIN_TRANSPORTS"


@pytest.fixture
def track() -> ModuleType:
    spec = importlib.util.spec_from_file_location("track_launch", ROOT / "launch" / "track.launch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_argument_is_declared_at_the_top_with_a_description_and_a_default(path: Path) -> None:
    description = get_launch_description_from_python_launch_file(str(path))
    arguments = [entity for entity in description.entities if isinstance(entity, DeclareLaunchArgument)]
    assert arguments
    for argument in arguments:
        assert argument.default_value is not None, argument.name
        assert argument.description != "no description given", argument.name


def evaluated(parameters: dict[Any, Any]) -> dict[str, Any]:
    """As launch writes them into the node's file of parameters."""
    (found,) = evaluate_parameters(LaunchContext(), normalize_parameters([parameters]))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("value", ["22", "022", "on", "12E3", "cup,bowl", "2024.10", "cuda:1", 512, 1.5, False])
def test_a_value_reaches_the_node_as_it_was_written(value: object) -> None:
    found = evaluated(as_written({"name": value}))["name"]
    assert (found, type(found)) == (value, type(value))


def test_the_command_line_comes_after_the_parameter_files(track: ModuleType, tmp_path: Path) -> None:
    (file := tmp_path / "mine.yaml").write_text("/**: {ros__parameters: {model: nano}}")
    context = started(track, params_file=str(file), detection_classes="22", image_size="512")
    (tracker,) = [entity for entity in context.locals.started if isinstance(entity, LifecycleNode)]
    default, mine, overrides = evaluate_parameters(context, tracker._Node__parameters)
    assert [str(default), str(mine)] == [str(ROOT / "config" / "track.yaml"), str(file)]
    assert overrides == {"detection_classes": "22", "image_size": 512}


def test_a_misspelled_argument_is_refused(track: ModuleType) -> None:
    context = LaunchContext()
    context.launch_configurations["detection_class"] = "cup"
    with pytest.raises(ValueError, match="there is no argument detection_class, did you mean detection_classes?"):
        track.check_arguments(context)


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("True", True), ("1", True), ("yes", True), ("0", False), ("no", False)]
)
def test_respawn_accepts_every_spelling_of_a_boolean(track: ModuleType, text: str, expected: bool) -> None:
    assert respawn(started(track, respawn=text)) is expected


@pytest.mark.parametrize("name", ["respawn", "isaac", "rviz", "panel"])
def test_a_boolean_that_is_neither_true_nor_false_is_refused(track: ModuleType, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}:=perhaps: expected true or false"):
        started(track, **{name: "perhaps"})


def started(track: ModuleType, **given: str) -> LaunchContext:
    """The context in which the file's arguments are declared and its node is made."""
    context = LaunchContext()
    context.launch_configurations.update(given)
    for entity in track.generate_launch_description().entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.visit(context)
    starts = (track.start_tracker, track.start_text_detector, track.start_rviz, track.start_panel)
    context.extend_locals({"started": [entity for start in starts for entity in start(context)]})
    return context


def test_the_panel_is_started_only_where_it_is_asked_for(track: ModuleType) -> None:
    def executables(**given: str) -> list[str]:
        return [node.node_executable for node in started(track, **given).locals.started if isinstance(node, Node)]

    assert executables() == ["tracker"]
    assert executables(panel="true", host="0.0.0.0", port="9000") == ["tracker", "panel"]
    with pytest.raises(ValueError, match="port:=web: expected an integer"):
        started(track, panel="true", port="web")


def respawn(context: LaunchContext) -> bool:
    (tracker,) = [entity for entity in context.locals.started if isinstance(entity, LifecycleNode)]
    return tracker._ExecuteLocal__respawn  # the one place where launch keeps it


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize(("chosen", "expected"), [(None, "LARGE_DATA"), ("UDPv4", "UDPv4")])
def test_the_transport_is_large_data_unless_the_user_sets_one(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: str, path: Path
) -> None:
    monkeypatch.delenv(TRANSPORT, raising=False)
    if chosen is not None:
        monkeypatch.setenv(TRANSPORT, chosen)
    context = LaunchContext()
    for entity in get_launch_description_from_python_launch_file(str(path)).entities:
        if isinstance(entity, SetEnvironmentVariable):
            entity.visit(context)
    assert context.environment[TRANSPORT] == expected


# ---- The whole: a real launch of the real node ----


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`ros2 launch` of the tracker with random weights."""
    if shutil.which("ros2") is None:
        pytest.skip("needs the command `ros2` of a ROS 2 distribution")
    from safetensors.torch import save_file

    from sam2_ros.model import seeded_model

    weights = {name: tensor.contiguous() for name, tensor in seeded_model("nano", 0).state_dict().items()}
    save_file(weights, tmp_path / "nano.safetensors")
    command = ["ros2", "launch", str(ROOT / "launch" / "track.launch.py"), "respawn:=true", "namespace:=robot"]
    command += ["image:=/camera/image_raw", "isaac:=true", f"checkpoint:={tmp_path / 'nano.safetensors'}"]
    process = subprocess.Popen(command)
    yield process
    process.send_signal(signal.SIGINT)
    process.wait(30)


def wait_until_active(timeout: float) -> set[str]:
    """The topics of the node and of others."""
    import rclpy
    from lifecycle_msgs.msg import State
    from lifecycle_msgs.srv import GetState
    from rclpy.executors import SingleThreadedExecutor

    deadline = time.monotonic() + timeout
    context = rclpy.Context()  # of its own: tests of the node share the default one
    context.init()
    try:
        node = rclpy.create_node("observer", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        client = node.create_client(GetState, "/robot/sam2_tracker/get_state")
        while time.monotonic() < deadline:
            answer = client.call_async(GetState.Request())
            executor.spin_until_future_complete(answer, timeout_sec=1.0)
            if answer.done() and answer.result().current_state.id == State.PRIMARY_STATE_ACTIVE:
                return {name for name, _ in node.get_topic_names_and_types()}
    finally:
        context.try_shutdown()
    pytest.fail(f"the node is not active after {timeout} s")


def children(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_the_node_is_activated_and_so_is_a_respawned_one(launched: subprocess.Popen[bytes]) -> None:
    topics = wait_until_active(60)
    assert {"/camera/image_raw", "/camera/image_raw_mouse_left", "/robot/sam2_tracker/overlay_mouse_left"} <= topics
    assert "/segment_anything2/binary_segmentation_mask" in topics
    (killed,) = children(launched)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while killed in children(launched) or not children(launched):
        assert time.monotonic() < deadline, "the killed node is not respawned"
        time.sleep(0.1)
    wait_until_active(60)
