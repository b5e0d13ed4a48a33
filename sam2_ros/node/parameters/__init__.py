"""The node's parameters are declared, read and checked by their table.

python3 -m sam2_ros.node.parameters > config/track.yaml
"""

from __future__ import annotations

import re
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from sam2_ros.node.parameters import unknown_names
from sam2_ros.node.parameters.table import TABLE, Parameters, kind_of, rule_of
from sam2_ros.node.parameters.values import ParameterError, convert, refusal


def declare(node: Node) -> Parameters:
    """Declares every parameter and returns the values given at the start, converted where their type is another one.

    Logs what was converted and which names are unknown. Raises ParameterError.
    """
    given = _given(node)
    if ignored := unknown_names.report(given, TABLE):
        node.get_logger().warning(ignored)
    for name, entry in TABLE.items():
        value = entry.default
        if name in given:
            value = convert(name, kind_of(name), given[name])
            check(name, value)
            if type(value) is not type(given[name]):
                node.get_logger().info(f"parameter {name} is {given[name]!r}, taken as {value!r}")
        try:
            node.declare_parameter(name, value, _descriptor(name), ignore_override=True)
        except ParameterException as error:  # what check() should have found first
            raise ParameterError(f"parameter {name}: {error}") from error
    return read(node)


def _given(node: Node) -> dict[str, Any]:
    """The values given at the start by name.

    rclpy has no public way to them but to declare them all, which fails where one is an empty list, even if it is meant
    for another node.
    """
    return {name: parameter.value for name, parameter in node._parameter_overrides.items()}


def read(node: Node) -> Parameters:
    """The present values."""
    return Parameters(**{name: node.get_parameter(name).value for name in TABLE})


def check(name: str, value: Any) -> None:
    """Raises ParameterError unless the parameter takes this value."""
    rule = rule_of(name)
    kind: Any = kind_of(name)
    if type(value) is not kind:
        raise ParameterError(refusal(name, kind, value))
    if rule.choices and value not in rule.choices:
        raise ParameterError(f"parameter {name} is {value!r}, expected one of {', '.join(rule.choices)}")
    if rule.pattern and not re.fullmatch(rule.pattern, str(value)):
        raise ParameterError(f"parameter {name} is {value!r}, expected {rule.expected}")
    if rule.low is not None and rule.high is not None and not rule.low <= value <= rule.high:
        raise ParameterError(f"parameter {name} is {value}, expected {kind(rule.low)} to {kind(rule.high)}")


def check_change(parameters: list[Parameter], configured: bool) -> None:
    """Raises ParameterError unless all of these may be set now. Those of ROS itself are not ours to judge."""
    for parameter in parameters:
        if parameter.name not in TABLE:
            continue
        check(parameter.name, parameter.value)
        if configured and not rule_of(parameter.name).at_run_time:
            raise ParameterError(
                f"parameter {parameter.name} is fixed while the node is configured: `deactivate` and "
                "`cleanup` the node (`ros2 lifecycle set NODE ...`), set it, then `configure` and `activate`"
            )


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
