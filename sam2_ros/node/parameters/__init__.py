"""Declares, reads and checks the parameters of a node, which are the fields of a dataclass.

`Parameters` in table.py is that of the tracker; other nodes have their own.

python3 -m sam2_ros.node.parameters > config/track.yaml
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterType
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from sam2_ros.node.parameters import qos_overrides, unknown_names
from sam2_ros.node.parameters.table import TABLE, Parameters, kind_of, rule_of, table_of
from sam2_ros.node.parameters.values import ParameterError, convert, refusal

__all__ = ["ParameterError", "Parameters", "check", "check_changes", "declare", "declare_table", "read", "read_table"]

T = TypeVar("T")

_USE_SIM_TIME = "Take the time from /clock instead of the computer's clock. The stamps of images are used as they are."


def declare(node: Node) -> Parameters:
    """Declare the tracker's parameters, see `declare_table`."""
    return declare_table(node, Parameters)


def declare_table(node: Node, parameters_class: type[T]) -> T:
    """Declare all parameters and return their initial values; overrides of another type are converted.

    Logs conversions and unknown names. Raises ParameterError.
    """
    overrides, table = _overrides(node), table_of(parameters_class)
    if warning := unknown_names.warning(overrides, table):
        node.get_logger().warning(warning)
    qos_overrides.check(overrides)
    described = ParameterDescriptor(type=ParameterType.PARAMETER_BOOL, description=_USE_SIM_TIME)
    node.set_descriptor("use_sim_time", described)  # rclpy gives it no description
    for name, entry in table.items():
        value = entry.default
        if name in overrides:
            value = _initial(name, overrides[name], table)
            if type(value) is not type(overrides[name]):
                node.get_logger().info(f"parameter {name} is {overrides[name]!r}, converted to {value!r}")
        try:
            node.declare_parameter(name, value, _descriptor(name, table), ignore_override=True)
        except ParameterException as error:  # check() should have raised before
            raise ParameterError(f"parameter {name}: {error}") from error
    return read_table(node, parameters_class)


def _initial(name: str, override: Any, table: Mapping[str, Field[Any]]) -> Any:
    try:
        value = convert(name, kind_of(name, table), override)
        check(name, value, table)
    except ParameterError as error:
        if "_" in name:  # a name of ours alone
            raise
        # Other nodes have parameters such as `device`, too, and rclpy does not say where an override is from.
        hint = "if a parameter file sets it for another node in `/**:`, move it to that node's name"
        raise ParameterError(f"{error}; {hint}") from error
    return value


def _overrides(node: Node) -> dict[str, Any]:
    """The parameter overrides by name.

    rclpy has no public access to them except declaring all of them, which fails for an empty list, even where that is
    meant for another node.
    """
    return {name: parameter.value for name, parameter in node._parameter_overrides.items()}


def read(node: Node) -> Parameters:
    """The current values of the tracker's parameters."""
    return read_table(node, Parameters)


def read_table(node: Node, parameters_class: type[T]) -> T:
    """The current values."""
    return parameters_class(**{name: node.get_parameter(name).value for name in table_of(parameters_class)})


def check(name: str, value: Any, table: Mapping[str, Field[Any]] = TABLE) -> None:
    """Raises ParameterError for an invalid value."""
    rule = rule_of(name, table)
    kind: Any = kind_of(name, table)
    if value is None:  # `ros2 param delete`, or an empty list
        raise ParameterError(f"parameter {name} cannot be deleted, nor be empty: set it to another value")
    if type(value) is not kind:
        raise ParameterError(refusal(name, kind, value))
    if rule.choices and value not in rule.choices:
        raise ParameterError(f"parameter {name} is {value!r}, expected one of {', '.join(rule.choices)}")
    if rule.pattern and not re.fullmatch(rule.pattern, str(value)):
        raise ParameterError(f"parameter {name} is {value!r}, expected {rule.expected}")
    if rule.limits and not rule.limits[0] <= value <= rule.limits[1]:
        low, high = map(kind, rule.limits)
        raise ParameterError(f"parameter {name} is {value}, expected {low} to {high}")


def check_changes(changes: list[Parameter], fixed: str = "", table: Mapping[str, Field[Any]] = TABLE) -> None:
    """Raises ParameterError unless all of these may be set now. Parameters of ROS itself are not checked.

    `fixed` says since when those that are not for run time are fixed, and what to do; empty: they are not.
    """
    for change in changes:
        if change.name not in table:
            continue
        check(change.name, change.value, table)
        if fixed and not rule_of(change.name, table).at_run_time:
            raise ParameterError(f"parameter {change.name} is fixed {fixed}")


def _descriptor(name: str, table: Mapping[str, Field[Any]]) -> ParameterDescriptor:
    rule, kind = rule_of(name, table), kind_of(name, table)
    # Dynamic typing, because check() has clearer messages than rclpy.
    descriptor = ParameterDescriptor(description=rule.description, dynamic_typing=True)
    allowed = rule.expected or ", ".join(rule.choices)
    descriptor.additional_constraints = "; ".join(
        part for part in (allowed, "" if rule.at_run_time else "fixed while configured") if part
    )
    if rule.limits:
        low, high = rule.limits
        if kind is int:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor
