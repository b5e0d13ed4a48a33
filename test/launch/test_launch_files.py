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
import yaml

pytest.importorskip("launch_ros.actions", reason="needs `launch` and `launch_ros` of a ROS 2 distribution")

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launch_ros.actions import LifecycleNode, Node
from launch_ros.utilities import evaluate_parameters, normalize_parameters

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


def test_without_arguments_only_the_parameter_file_is_used(track: ModuleType) -> None:
    arguments = dict.fromkeys([*track.PARAMETERS, "params_file", "depth", "text"], "")
    assert track.parameters(arguments) == [str(ROOT / "config" / "track.yaml")]


def evaluated(parameters: dict[Any, Any]) -> dict[str, Any]:
    """As launch writes them into the node's file of parameters."""
    (found,) = evaluate_parameters(LaunchContext(), normalize_parameters([parameters]))
    assert isinstance(found, dict)
    return found


def test_the_command_line_overrides_the_users_file_and_that_the_packages(track: ModuleType, tmp_path: Path) -> None:
    given = {"image_size": "512", "use_sim_time": "True", "device": "cpu"}
    (file := tmp_path / "mine.yaml").touch()
    arguments = dict.fromkeys([*track.PARAMETERS, "depth", "text"], "") | {"params_file": str(file)} | given
    default, mine, overrides = track.parameters(arguments)
    assert (default, mine) == (str(ROOT / "config" / "track.yaml"), str(file))
    assert evaluated(overrides) == {"image_size": 512, "use_sim_time": True, "device": "cpu"}


def test_a_missing_parameter_file_is_refused(track: ModuleType) -> None:
    arguments = dict.fromkeys([*track.PARAMETERS, "depth", "text"], "") | {"params_file": "nowhere.yaml"}
    with pytest.raises(ValueError, match="params_file:=nowhere.yaml: expected a YAML file of parameters"):
        track.parameters(arguments)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("detection_classes", "22", "22"),
        ("detection_classes", "022", "022"),
        ("detection_classes", "on", "on"),
        ("detection_classes", "12E3", "12E3"),
        ("detection_classes", "cup,bowl", "cup,bowl"),
        ("detection_classes", "[cup, 'bowl']", "cup,bowl"),
        ("target_frame", "1", "1"),
        ("checkpoint", "2024.10", "2024.10"),
        ("device", "cuda:1", "cuda:1"),
        ("image_size", "512", 512),
        ("clicked_point", "off", False),
        ("clicked_point", "1", True),
        ("use_sim_time", "Yes", True),
    ],
)
def test_an_argument_reaches_the_node_as_it_was_written(track: ModuleType, name: str, text: str, value: object) -> None:
    overrides = track.parameters(dict.fromkeys([*track.PARAMETERS, "params_file", "depth", "text"], "") | {name: text})[
        -1
    ]
    found = evaluated(overrides)[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("image_size", "big", "an integer"),
        ("image_size", "1.5", "an integer"),
        ("use_sim_time", "maybe", "true or false"),
        ("clicked_point", "2", "true or false"),
    ],
)
def test_an_argument_of_another_type_is_refused(track: ModuleType, name: str, text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=f"{name}:={text}: expected {expected}"):
        track.convert(name, track.PARAMETERS[name][0], text)


def test_a_depth_topic_enables_3d(track: ModuleType) -> None:
    arguments = dict.fromkeys([*track.PARAMETERS, "params_file", "text"], "") | {
        "depth": "/camera/depth",
        "target_frame": "base",
    }
    assert evaluated(track.parameters(arguments)[-1]) == {"depth": True, "target_frame": "base"}


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("True", True), ("1", True), ("yes", True), ("0", False), ("no", False)]
)
def test_respawn_accepts_every_spelling_of_a_boolean(track: ModuleType, text: str, expected: bool) -> None:
    assert respawn(started(track, respawn=text)) is expected


@pytest.mark.parametrize("name", ["respawn", "isaac", "rviz", "panel"])
def test_a_boolean_that_is_neither_true_nor_false_is_refused(track: ModuleType, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}:=perhaps: expected true or false"):
        started(track, **{name: "perhaps"})


def test_a_misspelled_argument_is_refused_but_not_one_of_another_launch_file(track: ModuleType) -> None:
    context = LaunchContext()
    context.launch_configurations.update({"yolo": "yolo11n.onnx", "labels": "coco.names", "detection_classes": "cup"})
    track.check_arguments(context)
    context.launch_configurations["detection_class"] = "cup"
    with pytest.raises(ValueError, match="there is no argument detection_class, did you mean detection_classes?"):
        track.check_arguments(context)


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


TOPICS_AS_THEY_ARE = {
    "image": "image",
    "camera_info": "",
    "detections": "",
    "depth": "",
    "isaac": "false",
    "text": "",
}


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"image": "/arm/left/image_raw"}, "image", "/arm/left/image_raw"),
        ({"image": "/arm/left/image_raw"}, "image/compressed", "/arm/left/image_raw/compressed"),
        ({"image": "/arm/left/image_raw/compressed"}, "image/compressed", "/arm/left/image_raw/compressed"),
        ({"image": "/arm/left/image_raw"}, "camera_info", "/arm/left/camera_info"),
        ({"image": "/arm/left/image_raw/compressed"}, "camera_info", "/arm/left/camera_info"),
        ({"image": "/arm/image", "camera_info": "/calibration"}, "camera_info", "/calibration"),
        ({}, "camera_info", "camera_info"),
        ({}, "depth", "depth"),
        ({"depth": "/arm/left/depth"}, "depth", "/arm/left/depth"),
        ({"detections": "/yolo/detections"}, "~/detections", "/yolo/detections"),
        ({"isaac": "true"}, "~/target_mask", "/segment_anything2/binary_segmentation_mask"),
        ({"isaac": "true"}, "~/detections_out", "/segment_anything2/detections"),
    ],
)
def test_topics_are_remapped(track: ModuleType, given: dict[str, str], name: str, expected: str) -> None:
    assert dict(track.remappings(TOPICS_AS_THEY_ARE | given))[name] == expected


def test_topics_keep_their_names_unless_they_are_remapped(track: ModuleType) -> None:
    assert not [name for name, _ in track.remappings(TOPICS_AS_THEY_ARE) if name.startswith("~/")]


def test_rviz_shows_the_topics_of_this_tracker_and_its_camera(track: ModuleType) -> None:
    given = {"namespace": "arm/left", "image": "/camera/image_raw", "depth": "depth_raw"}
    shown = dict(track.rviz_remappings(TOPICS_AS_THEY_ARE | given))
    assert shown["/image"] == "/camera/image_raw"
    assert shown["/camera_info"] == "/camera/camera_info"
    assert shown["/depth"] == "/arm/left/depth_raw"
    assert shown["/sam2_tracker/markers"] == "/arm/left/sam2_tracker/markers"


def test_every_topic_that_rviz_shows_is_remapped(track: ModuleType) -> None:
    displays = yaml.safe_load((ROOT / "config" / "track.rviz").read_text())["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    topics |= {display[name] for display in displays for name in display if name.endswith(" Topic")}
    remapped = dict(track.rviz_remappings(TOPICS_AS_THEY_ARE | {"namespace": ""}))
    assert topics | {"/camera_info"} == set(remapped)


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
    while killed in children(launched) or not children(launched):
        time.sleep(0.1)
    wait_until_active(60)
