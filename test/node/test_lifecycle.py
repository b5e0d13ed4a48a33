"""Lifecycle transitions: what they need, their errors, and what they free."""

import gc
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
import torch
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from safetensors.torch import save_file
from sam2_ros.srv import RemoveObject, SelectObject
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool, Trigger

from sam2_ros.node.tracker_node import TrackerNode

from .conftest import Robot

pytestmark = pytest.mark.distribution

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def configure(node: TrackerNode, **parameters: object) -> tuple[TransitionCallbackReturn, str]:
    """What becomes of an attempt, and the node's last error."""
    results = node.set_parameters([Parameter(name, value=value) for name, value in parameters.items()])
    assert all(result.successful for result in results)
    return node.trigger_configure(), node._statistics.last_error


# ---- configure


def test_a_missing_checkpoint_is_reported_and_can_be_replaced(node: TrackerNode, tmp_path: Path, weights: Path) -> None:
    missing = str(tmp_path / "nowhere.safetensors")
    outcome, error = configure(node, checkpoint=missing)
    assert outcome == FAILURE
    assert f"checkpoint {missing} does not exist" in error
    assert configure(node, checkpoint=str(weights))[0] == SUCCESS


def test_a_truncated_checkpoint_is_refused(node: TrackerNode, tmp_path: Path, weights: Path) -> None:
    truncated = tmp_path / "half.safetensors"
    truncated.write_bytes(weights.read_bytes()[:5000])
    outcome, error = configure(node, checkpoint=str(truncated))
    assert outcome == FAILURE
    assert str(truncated) in error


def test_a_checkpoint_of_another_model_is_refused_with_the_differences(node: TrackerNode, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"backbone.weight": torch.zeros(3)}, foreign)
    outcome, error = configure(node, checkpoint=str(foreign))
    assert outcome == FAILURE
    assert "backbone.weight" in error


def test_an_image_size_that_does_not_fit_the_attention_windows_is_refused(node: TrackerNode) -> None:
    outcome, error = configure(node, image_size=100)
    assert outcome == FAILURE
    assert "image_size is 100, expected a positive multiple of 32" in error


@pytest.mark.skipif(torch.cuda.is_available(), reason="has the GPU that is not to be there")
def test_an_unavailable_gpu_is_refused_with_advice(node: TrackerNode) -> None:
    outcome, error = configure(node, device="cuda")
    assert outcome == FAILURE
    assert "device is cuda, but PyTorch" in error
    assert "sees 0 CUDA devices: set it to auto or cpu" in error
    assert configure(node, device="auto")[0] == SUCCESS


def test_an_exception_in_a_transition_is_logged_and_leaves_the_node_unconfigured(
    node: TrackerNode, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    node.trigger_configure()
    with monkeypatch.context() as patch:
        patch.setattr(node, "create_subscription", lambda *_, **__: 1 / 0)  # nothing real fails here on demand
        assert node.trigger_activate() == TransitionCallbackReturn.ERROR
    assert "on_activate failed: Traceback" in capfd.readouterr().err
    assert "tracker" not in {thread.name for thread in threading.enumerate()}
    assert node.trigger_configure() == SUCCESS


# ---- cleanup


def test_cleanup_frees_the_model_and_the_tracker(node: TrackerNode) -> None:
    assert node.trigger_configure() == SUCCESS
    assert node._session is not None
    tracker = weakref.ref(node._session._tracker)
    model = weakref.ref(node._session._tracker.model)
    assert node.trigger_cleanup() == SUCCESS
    gc.collect()
    assert (tracker(), model()) == (None, None)


def test_a_node_can_be_configured_again_with_other_parameters(node: TrackerNode) -> None:
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    assert configure(node, image_size=256)[0] == SUCCESS
    assert node._session is not None
    assert node._session._tracker.model.config.image_size == 256


def test_topics_exist_from_configure_to_cleanup(node: TrackerNode) -> None:
    def topics() -> set[str]:
        return {name for name, _ in node.get_publisher_names_and_types_by_node("sam2_tracker", "/")}

    outputs = {f"/sam2_tracker/{name}" for name in ("tracks", "events", "masks", "target_mask", "overlay")}
    assert not topics() & outputs
    node.trigger_configure()
    assert topics() >= outputs
    node.trigger_cleanup()
    assert not topics() & outputs


# ---- activate and deactivate, from another process


@pytest.fixture(scope="module")
def robot(start: Callable[..., Robot]) -> Robot:
    return start()


def refusals(robot: Robot) -> set[str]:
    """What every service of ours says that does not do as it is asked."""
    requests = {
        "remove_object": RemoveObject.Request(object_id=1),
        "select_object": SelectObject.Request(object_id=1),
        "reset": Trigger.Request(),
        "enable": SetBool.Request(data=True),
    }
    answers = [robot.add(), *(robot.call(service, request) for service, request in requests.items())]
    assert not any(answer.success for answer in answers)
    return {answer.message for answer in answers}


def test_services_of_an_unconfigured_node_name_the_lifecycle_commands(robot: Robot) -> None:
    expected = (
        "configure and activate the node first: `ros2 lifecycle set /sam2_tracker configure`, "
        "`ros2 lifecycle set /sam2_tracker activate`"
    )
    assert refusals(robot) == {expected}


def test_tracked_objects_are_kept_while_the_node_is_inactive(robot: Robot) -> None:
    robot.bring_up()
    robot.show()
    tracked = robot.add().object_id
    assert robot.change("deactivate") == [True]
    assert robot.state == "inactive"
    assert refusals(robot) == {"activate the node first: `ros2 lifecycle set /sam2_tracker activate`"}
    assert robot.change("activate") == [True]
    assert [track.id for track in robot.show().tracks] == [tracked]


def test_after_cleanup_the_node_starts_without_objects(robot: Robot) -> None:
    assert robot.change("deactivate", "cleanup") == [True, True]
    assert robot.state == "unconfigured"
    robot.bring_up()
    assert len(robot.show().tracks) == 0


def test_two_inputs_of_different_types_on_one_topic_fail_activation_and_leave_no_subscriptions(
    node: TrackerNode,
) -> None:
    other = rclpy.create_node("other")  # of the same process, for which DDS has one type for a topic
    calibration = other.create_subscription(CameraInfo, "/clicked_point", print, 1)
    assert node.trigger_configure() is SUCCESS
    before = len(list(node.subscriptions))
    assert node.trigger_activate() is FAILURE
    assert "cannot activate: Failed to create subscription: " in node._statistics.last_error  # Jazzy loses DDS's reason
    assert "are two inputs remapped to one topic?" in node._statistics.last_error
    assert len(list(node.subscriptions)) == before
    other.destroy_subscription(calibration)
    assert node.trigger_activate() is SUCCESS
    other.destroy_node()


# ---- start and end of the process


INVALID_OVERRIDES = {
    "out of range": (["-p", "max_objects:=0"], "parameter max_objects is 0, expected 1 to 254"),
    "type": (["-p", "use_sim_time:=1"], "'use_sim_time' to '1' of type 'INTEGER', expecting type 'BOOL'"),
    "list of mixed types": (
        ["-p", "detection_classes:=[cup, 3]"],
        "'-p detection_classes:=[cup, 3]'. Error: Sequence should be of same type",
    ),
    "no file": (["--params-file", "/nowhere.yaml"], "'--params-file /nowhere.yaml'. Error: Error opening YAML file"),
}


@pytest.fixture(scope="module")
def overridden() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Nodes with invalid overrides, which start side by side."""
    command = [sys.executable, "-m", "sam2_ros.node.main", "--ros-args"]
    processes = {
        name: subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name, (arguments, _) in INVALID_OVERRIDES.items()
    }
    yield processes
    for process in processes.values():
        process.kill()


@pytest.mark.parametrize(("override", "warning"), [(name, warning) for name, (_, warning) in INVALID_OVERRIDES.items()])
def test_an_invalid_parameter_override_ends_the_process_with_a_message(
    overridden: dict[str, subprocess.Popen[str]], override: str, warning: str
) -> None:
    _, errors = overridden[override].communicate(timeout=120)
    assert overridden[override].returncode == 2
    (line,) = [line for line in errors.splitlines() if "cannot start: " in line]
    assert warning in line
    assert ".c:" not in line
    assert "Traceback" not in errors


def test_an_interrupt_ends_an_active_node_without_a_traceback(robot: Robot) -> None:
    robot.add()
    assert robot.tracker.end(signal.SIGINT) == 0
    assert "Traceback" not in robot.tracker.log


def test_a_termination_ends_an_unconfigured_node_without_a_traceback(start: Callable[..., Robot]) -> None:
    robot = start("terminated_tracker")
    assert robot.state == "unconfigured"
    assert robot.tracker.end(signal.SIGTERM) == 0
    assert "Traceback" not in robot.tracker.log


def test_services_of_a_finalized_node_say_that_its_process_has_to_be_restarted(start: Callable[..., Robot]) -> None:
    robot = start("finalized_tracker")
    assert robot.change("configure", "activate", "shutdown") == [True, True, True]
    assert robot.state == "finalized"
    assert refusals(robot) == {"the node is finalized: restart its process"}
    assert robot.change("configure", "activate", "deactivate", "cleanup") == [False] * 4
    assert robot.tracker.end(signal.SIGINT) == 0
    assert "Traceback" not in robot.tracker.log
