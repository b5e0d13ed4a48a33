"""The node's status on /diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR

_MEGABYTE = 2**20


@dataclass(frozen=True)
class Status:
    """Level and message of a diagnostic_msgs/DiagnosticStatus."""

    level: bytes
    message: str


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


def diagnostic_array(node_name: str, stamp: Time, status: Status, values: dict[str, str]) -> DiagnosticArray:
    """The message for /diagnostics."""
    message = DiagnosticArray()
    message.header.stamp = stamp
    message.status = [
        DiagnosticStatus(
            level=status.level,
            name=f"{node_name}: tracking",
            message=status.message,
            hardware_id=values.get("device", ""),
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
    ]
    return message
