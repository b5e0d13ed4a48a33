"""Where the network runs, and in which number format."""

from __future__ import annotations

import re

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """`auto` (the GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Raises ValueError for anything else, and for a GPU that is not there.
    """
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"device is {name!r}, expected auto, cpu, cuda or cuda:N")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ValueError(
            f"device is {name}, but PyTorch {torch.__version__} sees {count} CUDA devices: set it to auto or cpu, or "
            "install a driver (see `nvidia-smi`) and a PyTorch built for it"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """`auto`: bfloat16 where it is faster, which is on a GPU."""
    if name != "auto":
        return name
    return "bfloat16" if device.type == "cuda" else "float32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The network's operations in that number format, where they do not need more."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)
