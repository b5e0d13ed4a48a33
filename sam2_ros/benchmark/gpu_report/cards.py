"""What a card can compute at most, and what a frame takes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

# Dense bfloat16 on the tensor cores, in 10^12 operations per second, by NVIDIA's data sheets. The first name that the
# card's name contains counts.
_PEAKS = {
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H200 NVL": 835.0,
    "H100": 989.0,
    "H200": 989.0,
    "GH200": 989.0,
    "A100": 312.0,
    "A10": 125.0,
    "L40S": 362.0,
    "L4": 121.0,
    "RTX 4090": 165.0,
    "RTX 3090": 71.0,
}


def peak(name: str) -> float | None:
    """Operations per second of the card of that name, None where it is not known."""
    words = f" {name.replace('-', ' ')} "
    return next((1e12 * tera for part, tera in _PEAKS.items() if f" {part} " in words), None)


def device_peak(device: torch.device) -> float | None:
    """`peak` of a device; None for a CPU."""
    return peak(torch.cuda.get_device_name(device)) if device.type == "cuda" else None


def count_operations(function: Callable[[], object]) -> int:
    """Floating-point operations of matrix products, convolutions and attention in a call."""
    with FlopCounterMode(display=False) as counter:
        function()
    return int(counter.get_total_flops())
