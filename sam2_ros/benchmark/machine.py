"""Names of the machine that measurements are made on."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def machine(device: torch.device) -> str:
    """Device and processor by name."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)}), {processor()}"
    count = torch.get_num_threads()
    return f"{device.type} ({processor()}, {count} thread{'s' if count > 1 else ''})"


def processor() -> str:
    """The CPU's name, or its architecture where the system gives no name."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
