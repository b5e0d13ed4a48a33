"""Checks the parameters qos_overrides.TOPIC.publisher.POLICY and .subscription.POLICY, which rclpy declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy

from sam2_ros.node.parameters.values import ParameterError

PREFIX = "qos_overrides."
_POLICIES = {
    "history": (HistoryPolicy.KEEP_LAST, HistoryPolicy.KEEP_ALL),
    "reliability": (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT),
    "durability": (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
}


def check(overrides: Mapping[str, Any]) -> None:
    """Raises ParameterError for a value that is no QoS policy."""
    for name, value in overrides.items():
        policy = name.rpartition(".")[2]
        if not name.startswith(PREFIX):
            continue
        if policy == "depth" and (type(value) is not int or value < 0):
            raise ParameterError(f"parameter {name} is {value!r}, expected an integer, the messages that are kept")
        allowed = [choice.name.lower() for choice in _POLICIES.get(policy, ())]
        if allowed and value not in allowed:
            raise ParameterError(f"parameter {name} is {value!r}, expected one of {', '.join(allowed)}")


def unused(node: Node) -> list[str]:
    """Overrides of topics that the active node does not have, such as misspelled ones."""
    later = f"{PREFIX}{node.resolve_topic_name('camera_info')}."  # subscribed when it is needed
    return sorted(
        name
        for name in node._parameter_overrides
        if name.startswith(PREFIX) and not name.startswith(later) and not node.has_parameter(name)
    )
