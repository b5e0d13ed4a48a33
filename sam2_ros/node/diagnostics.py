"""The node's statuses on /diagnostics: that of tracking, and one for each input.

Their names begin with the node's, as diagnostic_aggregator expects: config/diagnostics.yaml is an example for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from sam2_ros.node.inputs.receiver import Receiver
from sam2_ros.node.inputs.subscriptions import type_mismatch

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR

_MEGABYTE = 2**20


@dataclass(frozen=True)
class Status:
    """Level and message of a diagnostic_msgs/DiagnosticStatus."""

    level: bytes
    message: str


@dataclass(frozen=True)
class Component:
    """A part of the node with a status of its own."""

    name: str
    status: Status
    hardware_id: str
    values: Mapping[str, str] = field(default_factory=dict)


def device_values(device: torch.device | None) -> dict[str, str]:
    """The device and its memory as key-value pairs."""
    if device is None:
        return {"device": "none: not configured"}
    if device.type != "cuda":
        return {"device": str(device)}
    free, total = torch.cuda.mem_get_info(device)
    return {
        "device": f"{device} ({torch.cuda.get_device_name(device)})",
        "GPU memory of the tracker (MB)": f"{torch.cuda.memory_allocated(device) / _MEGABYTE:.0f}",
        "GPU memory reserved (MB)": f"{torch.cuda.memory_reserved(device) / _MEGABYTE:.0f}",
        "GPU memory free (MB)": f"{free / _MEGABYTE:.0f} of {total / _MEGABYTE:.0f}",
    }


def input_component(node: Node, name: str, receiver: Receiver, warning: str = "") -> Component:
    """The age of an input's newest message. `name` is that of the topic before remapping."""
    age = receiver.age
    warning = warning or type_mismatch(node, name, receiver.subscription)
    newest = "nothing received" if age is None else f"newest message {age:.2f} s ago"
    return Component(
        name=f"input {name.removeprefix('~').lstrip('/')}",
        status=Status(WARN, warning) if warning else Status(OK, newest),
        hardware_id=receiver.topic,
        values={
            "topic": receiver.topic,
            "age (s)": "" if age is None else f"{age:.3f}",
            "messages received": str(receiver.count),
            "publishers": str(node.count_publishers(receiver.topic)),
        },
    )


def diagnostic_array(node: Node, components: Iterable[Component]) -> DiagnosticArray:
    """The message for /diagnostics; names begin with the node's name and namespace."""
    stamp: Time = node.get_clock().now().to_msg()
    prefix = node.get_fully_qualified_name().lstrip("/")
    message = DiagnosticArray()
    message.header.stamp = stamp
    message.status = [
        DiagnosticStatus(
            level=component.status.level,
            name=f"{prefix}: {component.name}",
            message=component.status.message,
            hardware_id=component.hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in component.values.items()],
        )
        for component in components
    ]
    return message
