"""The node's parameters: one table, from which they are declared, described and checked.

`config/track.yaml` repeats the table for people; a test holds the two together.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from sam2_ros.model.config import CONFIGS
from sam2_ros.node.qos import RELIABILITIES
from sam2_ros.tracking import TrackerConfig
from sam2_ros.tracking.memory_policy import POLICIES
from sam2_ros.tracking.presets import PRESETS


class ParameterError(ValueError):
    """A parameter value that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Rule:
    """What a parameter means and which values it takes."""

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""  # regular expression
    expected: str = ""  # the pattern in words
    at_run_time: bool = False  # else only while the node is unconfigured


def _parameter(default: Any, description: str, **rule: Any) -> Any:
    return field(default=default, metadata={"rule": Rule(description, **rule)})


@dataclass(frozen=True)
class Parameters:
    """The table: every parameter with its default, its meaning and its limits."""

    model: str = _parameter(
        "nano",
        "The network; bigger is better and slower. nano is bundled, `sam2_ros download` gets the others.",
        choices=tuple(CONFIGS),
    )
    checkpoint: str = _parameter(
        "", "File with the network's weights. Empty: the bundled nano, or what `sam2_ros download` fetched."
    )
    image_size: int = _parameter(
        0,
        "Side in pixels of the square that the network sees; smaller is faster. 0: the model's own.",
        low=0,
        high=4096,
    )
    device: str = _parameter(
        "auto",
        "Where the network runs. auto: the GPU if there is one.",
        pattern=r"auto|cpu|cuda(:\d+)?",
        expected="auto, cpu, cuda or cuda:N",
    )
    precision: str = _parameter(
        "auto",
        "Number format of the network. auto: bfloat16 on a GPU of compute capability 8.0 or later and, for inputs from "
        "384 pixels, on a CPU fast at it.",
        choices=("auto", "float32", "bfloat16"),
    )
    compile: bool = _parameter(
        False,
        "Compile the network for this device when the node is configured: minutes the first time, then faster images. "
        "Needs a C++ compiler.",
    )
    preset: str = _parameter(
        "quality",
        'How much is saved for speed. quality: nothing; balanced, fast: see README, "Speed for quality".',
        choices=tuple(PRESETS),
    )
    recent_memories: int = _parameter(
        0, "Images whose masks are remembered besides the prompted ones. 0: as the preset says.", low=0, high=6
    )
    memory_pooling: int = _parameter(
        0,
        "2: of these, means of 2 x 2 tokens are remembered; 1: all tokens. 0: as the preset says.",
        low=0,
        high=2,
    )
    encode_every: int = _parameter(
        0,
        "The network sees every so-manieth image; on the others masks move along. 0: as the preset says.",
        low=0,
        high=30,
    )
    target_fps: float = _parameter(
        0.0,
        "Images per second that are to be kept up: the network sees so many of them as it has time for, at least every "
        "eighth; on the others masks move along. 0: no such aim.",
        low=0.0,
        high=1000.0,
    )
    max_objects: int = _parameter(
        16, "Objects followed at a time; their memory is set aside at the start.", low=1, high=254
    )
    max_prompted: int = _parameter(
        4, "Prompted images that are remembered per object, besides the recent ones.", low=1, high=32
    )
    history: int = _parameter(
        16, "Processed images that are kept so that a late prompt still finds its own.", low=1, high=256
    )
    stamp_tolerance: float = _parameter(
        0.1,
        "Seconds by which a prompt's stamp may miss a processed image; a camera may outrun the network.",
        low=0.0,
        high=10.0,
    )
    prompt_timeout: float = _parameter(
        5.0,
        "Seconds that a prompt waits for its image before it is rejected.",
        low=0.1,
        high=3600.0,
        at_run_time=True,
    )
    occluded_after: float = _parameter(
        0.2,
        "Seconds of image time for which an object may be absent before an event tells so.",
        low=0.0,
        high=3600.0,
    )
    lost_after: float = _parameter(
        1.0, "Seconds of image time after which an absent object counts as lost.", low=0.0, high=3600.0
    )
    remove_after: float = _parameter(
        0.0,
        "Seconds of image time after which a lost object is removed. 0: never.",
        low=0.0,
        high=86400.0,
    )
    vanish_below: float = _parameter(
        0.5, "An object in view counts as absent below this presence; the network itself says 0.5.", low=0.5, high=1.0
    )
    appear_above: float = _parameter(
        0.6, "An absent object counts as in view from this presence on.", low=0.5, high=1.0
    )
    return_frames: int = _parameter(
        3,
        "Images in a row on which a lost object has to be found before it is believed to be back. 0: no doubts at all.",
        low=0,
        high=100,
    )
    memory_policy: str = _parameter(
        TrackerConfig.memory_policy,
        "What objects are remembered by. reference: every image, as SAM 2 does; the others leave out where it is away.",
        choices=tuple(POLICIES),
    )
    detections: bool = _parameter(
        True, "Detector boxes: subscribe to ~/detections and publish ~/detections_out (vision_msgs/Detection2DArray)."
    )
    detection_classes: str = _parameter(
        "",
        "Classes whose boxes count, separated by commas, as the detector calls them. Empty: all.",
        at_run_time=True,
    )
    detection_min_score: float = _parameter(0.5, "Score from which a box counts.", low=0.0, high=1.0, at_run_time=True)
    detection_min_hits: int = _parameter(
        3,
        "Arrays of detections in which an object has to be seen before it is followed.",
        low=1,
        high=100,
        at_run_time=True,
    )
    detection_max_per_class: int = _parameter(
        0,
        "Objects of one class that are followed, lost ones not counted. 0: any number.",
        low=0,
        high=254,
        at_run_time=True,
    )
    detection_retire_after: float = _parameter(
        0.0,
        "Seconds of image time without a box after which an object that a box started is removed. 0: never.",
        low=0.0,
        high=3600.0,
        at_run_time=True,
    )
    image_transport: str = _parameter(
        "raw",
        "raw: sensor_msgs/Image on `image`. compressed: CompressedImage on `image/compressed`.",
        choices=("raw", "compressed"),
    )
    image_reliability: str = _parameter(
        "best_effort",
        "Reliability asked of the camera. best_effort matches every camera, reliable only reliable ones.",
        choices=RELIABILITIES,
    )
    image_depth: int = _parameter(
        1,
        "Images kept by the transport while the node is busy; only the newest is processed.",
        low=1,
        high=100,
    )
    clicked_point: bool = _parameter(
        True, "Start objects by /clicked_point, the topic of RViz' tool Publish Point; false: that is for others."
    )
    publish_reliability: str = _parameter(
        "reliable", "Reliability of the results. reliable matches every subscriber.", choices=RELIABILITIES
    )
    publish_depth: int = _parameter(5, "Results kept by the transport for slow subscribers.", low=1, high=1000)
    publish_cropped_masks: bool = _parameter(
        False, "Put the mask of each object, cropped to its box, into ~/tracks.", at_run_time=True
    )
    depth: bool = _parameter(
        False, "3-D: subscribe to `depth`, registered to the image, and `camera_info`; publish ~/points and positions."
    )
    depth_slop: float = _parameter(
        0.0,
        "Milliseconds by which the stamps of image, depth and camera_info may differ where none are equal; less than "
        "half the time between two images. 0: they have to be equal.",
        low=0.0,
        high=1000.0,
    )
    target_frame: str = _parameter(
        "", "Frame of reference of positions and ~/points, through tf2. Empty: the camera's optical frame."
    )
    image_timeout: float = _parameter(
        3.0,
        "Seconds without an image after which the camera is reported as silent.",
        low=0.1,
        high=3600.0,
        at_run_time=True,
    )
    diagnostics_period: float = _parameter(1.0, "Seconds between two messages on /diagnostics.", low=0.1, high=60.0)


_TABLE = {entry.name: entry for entry in fields(Parameters)}


def rule_of(name: str) -> Rule:
    """The rule of a parameter of the table."""
    return _TABLE[name].metadata["rule"]


def declare(node: Node) -> Parameters:
    """Declares every parameter and returns the values given at the start.

    The node must have declared its overrides, so that misspelt ones are found. Raises ParameterError.
    """
    for name in node.get_parameters_by_prefix(""):
        _refuse_misspelt(name)
    for name, entry in _TABLE.items():
        given = node.get_parameter(name).value if node.has_parameter(name) else entry.default
        check(name, given)
        if node.has_parameter(name):
            node.undeclare_parameter(name)
        try:
            node.declare_parameter(name, entry.default, _descriptor(name))
        except ParameterException as error:  # what check() should have found first
            raise ParameterError(f"parameter {name}: {error}") from error
    return read(node)


def read(node: Node) -> Parameters:
    """The present values."""
    return Parameters(**{name: node.get_parameter(name).value for name in _TABLE})


def check(name: str, value: Any) -> None:
    """Raises ParameterError unless the parameter takes this value."""
    rule = rule_of(name)
    kind: Any = kind_of(name)
    if type(value) is not kind:
        hint = ": write it with a decimal point" if kind is float and type(value) is int else ""
        raise ParameterError(
            f"parameter {name} is {value!r} ({type(value).__name__}), expected type {kind.__name__}{hint}"
        )
    if rule.choices and value not in rule.choices:
        raise ParameterError(f"parameter {name} is {value!r}, expected one of {', '.join(rule.choices)}")
    if rule.pattern and not re.fullmatch(rule.pattern, str(value)):
        raise ParameterError(f"parameter {name} is {value!r}, expected {rule.expected}")
    if rule.low is not None and rule.high is not None and not rule.low <= value <= rule.high:
        raise ParameterError(f"parameter {name} is {value}, expected {kind(rule.low)} to {kind(rule.high)}")


def check_change(parameters: list[Parameter], configured: bool) -> None:
    """Raises ParameterError unless all of these may be set now. Those of ROS itself are not ours to judge."""
    for parameter in parameters:
        if parameter.name not in _TABLE:
            continue
        check(parameter.name, parameter.value)
        if configured and not rule_of(parameter.name).at_run_time:
            raise ParameterError(
                f"parameter {parameter.name} is fixed while the node is configured: `deactivate` and "
                "`cleanup` the node (`ros2 lifecycle set NODE ...`), set it, then `configure` and `activate`"
            )


def kind_of(name: str) -> type:
    """The type of its values: bool, int, float or str."""
    return type(_TABLE[name].default)


def _refuse_misspelt(name: str) -> None:
    """Raises ParameterError for a name that is close to one of the table, but is none."""
    if name in _TABLE:
        return
    close = difflib.get_close_matches(name, _TABLE, n=1, cutoff=0.75)
    if close:
        raise ParameterError(f"there is no parameter {name}, did you mean {close[0]}?")


def _descriptor(name: str) -> ParameterDescriptor:
    rule, kind = rule_of(name), kind_of(name)
    # Types are for check() to judge, whose words are clearer than those of rclpy.
    descriptor = ParameterDescriptor(description=rule.description, dynamic_typing=True)
    allowed = rule.expected or ", ".join(rule.choices)
    descriptor.additional_constraints = "; ".join(
        part for part in (allowed, "" if rule.at_run_time else "fixed while configured") if part
    )
    if rule.low is not None and rule.high is not None:
        if kind is int:
            descriptor.integer_range = [IntegerRange(from_value=int(rule.low), to_value=int(rule.high), step=1)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=rule.low, to_value=rule.high)]
    return descriptor
