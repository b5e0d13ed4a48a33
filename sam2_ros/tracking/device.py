"""Where the network runs, and in which number format."""

from __future__ import annotations

import re
import time
from functools import cache
from itertools import pairwise

import torch

_LARGE = 384  # pixels; for smaller images conversions take what products gain
_WORTHWHILE = 1.5
_SIDE = 1024  # of the matrices
_PRODUCTS = 5

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """`auto` (the GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Keeps cuDNN's attention out, which is planned anew for every number of objects and memories; that takes longer than
    a frame. Raises ValueError for anything else, and for a GPU that is not there.
    """
    if hasattr(torch.backends.cuda, "enable_cudnn_sdp"):
        torch.backends.cuda.enable_cudnn_sdp(False)
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


def choose_precision(name: str, device: torch.device, image_size: int, large: int = _LARGE) -> str:
    """`auto`: bfloat16 where it is faster, which is on a GPU, and on some CPUs for images from `large` pixels on."""
    if name != "auto":
        return name
    is_faster = device.type == "cuda" or (image_size >= large and _gain_of_bfloat16() >= _WORTHWHILE)
    return "bfloat16" if is_faster else "float32"


@cache
def _gain_of_bfloat16() -> float:
    """How much sooner this CPU has the product of two matrices."""
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(_SIDE, _SIDE, dtype=dtype)
        times = [time.perf_counter()]
        for _ in range(_PRODUCTS):
            matrix @ matrix
            times.append(time.perf_counter())
        seconds.append(min(b - a for a, b in pairwise(times)))
    return seconds[0] / seconds[1]


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The network's operations in that number format, where they do not need more."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)
