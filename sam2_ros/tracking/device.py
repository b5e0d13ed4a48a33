"""Where the network runs, and in which number format."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch

_BFLOAT16_CAPABILITY = (8, 0)  # of CUDA devices: Ampere
_LARGE = 384  # pixels; for smaller images conversions cost what matrix products gain
_WORTHWHILE = 1.5  # times as fast
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


@dataclass(frozen=True)
class Precision:
    """A number format of `PRECISIONS`, and why it was chosen."""

    name: str
    reason: str


def choose_precision(name: str, device: torch.device, image_size: int, large: int = _LARGE) -> Precision:
    """`auto`, `bfloat16` or `float32` for a network on a device, see `decide_precision`."""
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    return decide_precision(name, capability, image_size, _gain_of_bfloat16, large)


def decide_precision(
    name: str,
    capability: tuple[int, int] | None,
    image_size: int,
    cpu_gain: Callable[[], float],
    large: int = _LARGE,
) -> Precision:
    """`auto` is bfloat16 where that is fast: on GPUs that have it, and on some CPUs for images from `large` pixels on.

    `capability` is that of a CUDA device, None on a CPU; `cpu_gain` measures how much faster this CPU is in bfloat16.
    GPUs before Ampere compute in float32: they emulate bfloat16, and whether the released weights stay within the
    range of float16 was never verified. Raises ValueError for bfloat16 on such a GPU.
    """
    if capability is not None and capability < _BFLOAT16_CAPABILITY:
        number = ".".join(map(str, capability))
        lacks = f"the GPU's compute capability is {number}, and bfloat16 needs 8.0 or later"
        if name == "bfloat16":
            raise ValueError(f"precision is bfloat16, but {lacks}: set it to auto or float32")
        return Precision("float32", "as asked for" if name != "auto" else lacks)
    if name != "auto":
        return Precision(name, "as asked for")
    if capability is not None:
        return Precision("bfloat16", "the GPU computes in it, and it is faster")
    if image_size < large:
        return Precision("float32", f"on a CPU, bfloat16 pays for images of {large} pixels or more")
    if cpu_gain() < _WORTHWHILE:
        return Precision("float32", "this CPU is not much faster in bfloat16")
    return Precision("bfloat16", "this CPU is faster in it")


@cache
def _gain_of_bfloat16() -> float:
    """How much faster this CPU multiplies matrices."""
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
