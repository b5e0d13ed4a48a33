"""One table describes the parameters; what is outside of it is refused with a reason."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from rclpy.node import Node
from rclpy.parameter import Parameter

from sam2_ros.node.parameters import ParameterError, Parameters, check, check_change, declare, rule_of

CONFIG = Path(__file__).parents[2] / "config" / "track.yaml"
NAMES = [entry.name for entry in fields(Parameters)]


def configured() -> dict:
    return yaml.safe_load(CONFIG.read_text())["/**/sam2_tracker"]["ros__parameters"]


def test_the_configuration_file_holds_every_parameter_with_its_default():
    defaults = {name: getattr(Parameters(), name) for name in NAMES}
    assert configured() == defaults
    assert {name: type(value) for name, value in configured().items()} == {
        name: type(value) for name, value in defaults.items()
    }


def test_the_configuration_file_explains_every_parameter():
    lines = CONFIG.read_text().splitlines()
    for name in NAMES:
        place = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{name}:"))
        assert lines[place - 1].strip().startswith("#"), name


def test_the_configuration_file_marks_what_can_be_changed_at_run_time():
    lines = CONFIG.read_text().splitlines()
    for name in NAMES:
        place = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{name}:"))
        start = next(i for i in range(place - 1, 0, -1) if not lines[i].strip().startswith("#"))
        assert ("(live)" in " ".join(lines[start:place])) == rule_of(name).at_run_time, name


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_allowed_values(name):
    check(name, getattr(Parameters(), name))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described(name):
    assert rule_of(name).description.endswith(".")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("model", "sam3", "model is 'sam3', expected one of sam2.1_hiera_tiny"),
        ("image_size", -4, "image_size is -4, expected 0 to 4096"),
        ("image_bit_depth", 7, "image_bit_depth is 7, expected 0 or 8 to 16"),
        ("image_bit_depth", 17, "image_bit_depth is 17, expected 0 or 8 to 16"),
        ("max_objects", 0, "max_objects is 0, expected 1 to 254"),
        ("max_objects", 255, "max_objects is 255, expected 1 to 254"),
        ("max_objects", "many", r"max_objects is 'many' \(str\), expected type int"),
        ("lost_after", 2, r"lost_after is 2 \(int\), expected type float: write it with a decimal point"),
        ("lost_after", -0.5, "lost_after is -0.5, expected 0.0 to 3600.0"),
        ("vanish_below", 0.3, "vanish_below is 0.3, expected 0.5 to 1.0"),
        ("memory_policy", "elephant", "memory_policy is 'elephant', expected one of reference, guarded"),
        ("stamp_tolerance", float("nan"), "stamp_tolerance is nan, expected 0.0 to 10.0"),
        ("preset", "quick", "preset is 'quick', expected one of quality, balanced, fast"),
        ("encode_every", -1, "encode_every is -1, expected 0 to 30"),
        ("device", "gpu", "device is 'gpu', expected auto, cpu, cuda or cuda:N"),
        ("device", "cuda:", "device is 'cuda:', expected auto, cpu, cuda or cuda:N"),
        ("image_reliability", "reliabel", "image_reliability is 'reliabel', expected one of best_effort, reliable"),
        ("publish_cropped_masks", 1, r"publish_cropped_masks is 1 \(int\), expected type bool"),
    ],
)
def test_other_values_are_refused_with_what_was_expected(name, value, complaint):
    with pytest.raises(ParameterError, match=complaint):
        check(name, value)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_devices_are_named_as_torch_names_them(device):
    check("device", device)


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("max_objects:=0", "max_objects is 0, expected 1 to 254"),
        ("lost_after:=2", r"lost_after is 2 \(int\), expected type float"),
        ("image_timeout:=soon", r"image_timeout is 'soon' \(str\), expected type float"),
        ("max_object:=3", "there is no parameter max_object, did you mean max_objects?"),
    ],
)
def test_what_was_given_at_the_start_is_checked(ros, argument, complaint):
    arguments = ["--ros-args", "-p", argument]
    node = Node("starting", cli_args=arguments, automatically_declare_parameters_from_overrides=True)
    with pytest.raises(ParameterError, match=complaint):
        declare(node)
    node.destroy_node()


def test_what_was_given_at_the_start_counts(ros):
    arguments = ["--ros-args", "-p", "max_objects:=3", "-p", "use_sim_time:=true"]
    node = Node("starting", cli_args=arguments, automatically_declare_parameters_from_overrides=True)
    assert declare(node) == Parameters(max_objects=3)
    description = node.describe_parameter("max_objects")
    assert description.description == rule_of("max_objects").description
    assert (description.integer_range[0].from_value, description.integer_range[0].to_value) == (1, 254)
    node.destroy_node()


def test_what_the_model_was_built_from_is_fixed_while_configured():
    change = [Parameter("max_objects", value=3)]
    check_change(change, configured=False)
    with pytest.raises(ParameterError, match="max_objects is fixed while the node is configured: `deactivate`"):
        check_change(change, configured=True)


def test_the_rest_can_be_changed_at_run_time_to_allowed_values():
    check_change([Parameter("image_timeout", value=9.0), Parameter("use_sim_time", value=True)], configured=True)
    with pytest.raises(ParameterError, match="image_timeout is -1.0, expected 0.1 to 3600.0"):
        check_change([Parameter("image_timeout", value=-1.0)], configured=True)
