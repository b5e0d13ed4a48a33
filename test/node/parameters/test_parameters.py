"""One table describes the parameters; other values are refused with a reason."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.node import Node
from rclpy.parameter import Parameter

from sam2_ros.node.parameters import check, check_changes, declare
from sam2_ros.node.parameters.table import Parameters, rule_of
from sam2_ros.node.parameters.values import ParameterError
from sam2_ros.node.parameters.yaml_file import as_yaml

pytestmark = pytest.mark.distribution

CONFIG = Path(__file__).parents[3] / "config" / "track.yaml"
FIXED = "while the node is configured: `cleanup` it"
NAMES = [entry.name for entry in fields(Parameters)]


def configured() -> dict[str, Any]:
    return yaml.safe_load(CONFIG.read_text())["/**/sam2_tracker"]["ros__parameters"]


def test_track_yaml_is_generated_from_the_table() -> None:
    command = [sys.executable, "-m", "sam2_ros.node.parameters"]
    assert CONFIG.read_text() == subprocess.run(command, capture_output=True, text=True, check=True).stdout, (
        "run `python3 -m sam2_ros.node.parameters > config/track.yaml`"
    )


def test_track_yaml_contains_every_parameter_with_its_default() -> None:
    defaults = {name: getattr(Parameters(), name) for name in NAMES}
    assert configured() == defaults
    assert {name: type(value) for name, value in configured().items()} == {
        name: type(value) for name, value in defaults.items()
    }


def test_track_yaml_describes_every_parameter_and_marks_live_ones() -> None:
    for name in NAMES:
        comment, _ = as_yaml().split(f"\n    {name}: ")
        text = " ".join(comment.rsplit("\n\n", 1)[1].replace("    # ", "").split("\n"))
        assert text == rule_of(name).description + " (live)" * rule_of(name).at_run_time


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_valid(name: str) -> None:
    check(name, getattr(Parameters(), name))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described(name: str) -> None:
    assert rule_of(name).description.endswith(".")


@pytest.mark.parametrize(
    ("name", "value", "warning"),
    [
        ("model", "sam3", "model is 'sam3', expected one of sam2.1_hiera_tiny"),
        ("image_size", -4, "image_size is -4, expected 0 to 4096"),
        ("image_bit_depth", 7, "image_bit_depth is 7, expected 0 or 8 to 16"),
        ("image_bit_depth", 17, "image_bit_depth is 17, expected 0 or 8 to 16"),
        ("max_objects", 0, "max_objects is 0, expected 1 to 254"),
        ("max_objects", 255, "max_objects is 255, expected 1 to 254"),
        ("model", None, "model cannot be deleted, nor be empty: set it to another value"),
        ("max_objects", "many", r"max_objects is 'many' \(str\), expected an integer$"),
        ("lost_after", 2, r"lost_after is 2 \(int\), expected a number with a decimal point: write 2.0$"),
        (
            "detection_classes",
            22,
            r"detection_classes is 22 \(int\), expected a string: write it in quotes: \"'TEXT'\"",
        ),
        (
            "detection_classes",
            ["cup"],
            r"\['cup'\] \(list\), expected a string: .* as one string, separated by commas$",
        ),
        ("lost_after", -0.5, "lost_after is -0.5, expected 0.0 to 3600.0"),
        ("vanish_below", 0.3, "vanish_below is 0.3, expected 0.5 to 1.0"),
        ("memory_policy", "elephant", "memory_policy is 'elephant', expected one of reference, guarded"),
        ("stamp_tolerance", float("nan"), "stamp_tolerance is nan, expected 0.0 to 10.0"),
        ("preset", "quick", "preset is 'quick', expected one of quality, balanced, fast"),
        ("encode_every", -1, "encode_every is -1, expected 0 to 30"),
        ("device", "gpu", "device is 'gpu', expected auto, cpu, cuda or cuda:N"),
        ("device", "cuda:", "device is 'cuda:', expected auto, cpu, cuda or cuda:N"),
        ("image_reliability", "reliabel", "image_reliability is 'reliabel', expected one of best_effort, reliable"),
        ("publish_cropped_masks", 1, r"publish_cropped_masks is 1 \(int\), expected true or false$"),
    ],
)
def test_invalid_values_are_refused_with_what_was_expected(name: str, value: object, warning: str) -> None:
    with pytest.raises(ParameterError, match=warning):
        check(name, value)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_devices_have_torchs_names(device: str) -> None:
    check("device", device)


def started(*arguments: str) -> Parameters:
    """What a node that is started with these values makes of them."""
    node = Node("starting", cli_args=["--ros-args", *(part for text in arguments for part in ("-p", text))])
    try:
        return declare(node)
    finally:
        node.destroy_node()


@pytest.mark.parametrize(
    ("argument", "warning"),
    [
        ("max_objects:=0", "max_objects is 0, expected 1 to 254"),
        ("max_objects:=1.5", r"max_objects is 1.5 \(float\), expected an integer$"),
        ("max_objects:=many", r"max_objects is 'many' \(str\), expected an integer$"),
        ("max_objects:=yes", r"max_objects is True \(bool\), expected an integer$"),
        ("max_objects:=[]", "max_objects is an empty list, expected an integer: leave it out for the default$"),
        ("lost_after:=off", r"lost_after is False \(bool\), expected a number$"),
        ("lost_after:=.nan", "lost_after is nan, expected 0.0 to 3600.0"),
        ("image_timeout:=soon", r"image_timeout is 'soon' \(str\), expected a number$"),
        ("depth:=2", r"depth is 2 \(int\), expected true or false; if a parameter file sets it for another node"),
        ("depth:=/camera/depth", r"depth is '/camera/depth' \(str\), expected true or false; .* in `/\*\*:`, move it"),
        (
            "device:=/dev/video0",
            "device is '/dev/video0', expected auto, .* in `/\\*\\*:`, move it to that node's name$",
        ),
        (
            "detection_classes:=on",
            r"is True \(bool\), expected a string: YAML reads y, yes, on and true as true, .* quote",
        ),
        ("detection_classes:=12E3", r"is 12000.0 \(float\), expected a string: YAML reads this as a number, write it"),
        ("detection_classes:=[yes, no]", r"is \[True, False\] \(list\), expected a string"),
        ("target_frame:=no", r"target_frame is False \(bool\), expected a string: .* \"'TEXT'\" on a command line"),
        ("model:=7", "model is '7', expected one of"),
        ("device:=0", "device is '0', expected auto, cpu, cuda or cuda:N"),
        ("max_object:=3", "there is no parameter max_object, did you mean max_objects?"),
    ],
)
def test_overrides_are_checked(ros: None, argument: str, warning: str) -> None:
    with pytest.raises(ParameterError, match=warning) as raised:
        started(argument)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("argument", "name", "value"),
    [
        ("max_objects:=3", "max_objects", 3),
        ("max_objects:=3.0", "max_objects", 3),
        ("max_objects:='3'", "max_objects", 3),
        ("lost_after:=2", "lost_after", 2.0),
        ("lost_after:='2.5'", "lost_after", 2.5),
        ("depth:=1", "depth", True),
        ("depth:=yes", "depth", True),
        ("depth:='True'", "depth", True),
        ("detections:=0", "detections", False),
        ("detections:='off'", "detections", False),
        ("detection_classes:=22", "detection_classes", "22"),
        ("detection_classes:='on'", "detection_classes", "on"),
        ("detection_classes:=[cup, bowl]", "detection_classes", "cup,bowl"),
        ("detection_classes:=[1, 2]", "detection_classes", "1,2"),
        ("detection_classes:=[]", "detection_classes", ""),
        ("target_frame:=1", "target_frame", "1"),
        ("checkpoint:=2024", "checkpoint", "2024"),
    ],
)
def test_unambiguous_overrides_are_converted(ros: None, argument: str, name: str, value: object) -> None:
    given = getattr(started(argument), name)
    assert (given, type(given)) == (value, type(value))


def test_a_conversion_is_logged(ros: None, capfd: pytest.CaptureFixture[str]) -> None:
    started("detection_classes:=022")
    assert "parameter detection_classes is 18, converted to '18'" in capfd.readouterr().err


def test_overrides_are_used(ros: None) -> None:
    arguments = ["--ros-args", "-p", "max_objects:=3", "-p", "use_sim_time:=true"]
    node = Node("starting", cli_args=arguments)
    assert declare(node) == Parameters(max_objects=3)
    description = node.describe_parameter("max_objects")
    assert description.description == rule_of("max_objects").description
    assert (description.integer_range[0].from_value, description.integer_range[0].to_value) == (1, 254)
    node.destroy_node()


def test_parameters_of_other_nodes_are_ignored_and_logged_once(
    ros: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shared = {"image_width": 640, "depth_module": {"profile": "640x480x30"}, "plugins": [], "max_objects": 5}
    file = tmp_path / "shared.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": shared}}))
    node = Node("starting", cli_args=["--ros-args", "--params-file", str(file)])
    assert declare(node) == Parameters(max_objects=5)
    assert not node.has_parameter("image_width")
    log = capfd.readouterr().err
    assert log.count("unknown parameters are ignored: depth_module.profile, image_width, plugins") == 1
    node.destroy_node()


def test_parameters_of_the_model_are_fixed_while_configured() -> None:
    change = [Parameter("max_objects", value=3)]
    check_changes(change)
    with pytest.raises(ParameterError, match="max_objects is fixed while the node is configured: `cleanup` it"):
        check_changes(change, FIXED)


def test_the_others_can_be_set_at_run_time_to_valid_values() -> None:
    check_changes([Parameter("image_timeout", value=9.0), Parameter("use_sim_time", value=True)], FIXED)
    with pytest.raises(ParameterError, match="image_timeout is -1.0, expected 0.1 to 3600.0"):
        check_changes([Parameter("image_timeout", value=-1.0)], FIXED)
