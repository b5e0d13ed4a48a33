"""The network's device and precision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

_BFLOAT16_CAPABILITY = (8, 0)  # of CUDA devices: Ampere
_BFLOAT16_FLAGS = frozenset(("avx512_bf16", "amx_bf16"))  # of x86 processors
_LARGE = 384  # pixels; for smaller images conversions cost what matrix products gain

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """`auto` (the GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Disables cuDNN's attention: it makes a new plan for every number of objects and memories, which takes longer than a
    frame. Raises ValueError for any other name, and for a missing GPU.
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
    """A key of `PRECISIONS`, and why it was chosen."""

    name: str
    reason: str


def choose_precision(name: str, device: torch.device, image_size: int, large: int = _LARGE) -> Precision:
    """`auto`, `bfloat16` or `float32` for a network on a device, see `decide_precision`."""
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    return decide_precision(name, capability, image_size, has_bfloat16(_cpuinfo()), large)


def decide_precision(
    name: str,
    capability: tuple[int, int] | None,
    image_size: int,
    cpu_has_bfloat16: bool,
    large: int = _LARGE,
) -> Precision:
    """`auto` is bfloat16 on GPUs that compute in it, and on CPUs that do for images of at least `large` pixels.

    `capability` is the compute capability of a CUDA device, None on a CPU. GPUs before Ampere compute in float32: they
    emulate bfloat16, and whether the released weights stay within the range of float16 was never verified.
    Raises ValueError for bfloat16 on such a GPU.
    """
    if capability is not None and capability < _BFLOAT16_CAPABILITY:
        number = ".".join(map(str, capability))
        lacks = f"the GPU's compute capability is {number}, and bfloat16 needs 8.0 or later"
        if name == "bfloat16":
            raise ValueError(f"precision is bfloat16, but {lacks}: set it to auto or float32")
        return Precision("float32", "requested" if name != "auto" else lacks)
    if name != "auto":
        return Precision(name, "requested")
    if capability is not None:
        return Precision("bfloat16", f"the GPU computes in it (compute capability {'.'.join(map(str, capability))})")
    if not cpu_has_bfloat16:
        return Precision(
            "float32", f"the CPU reports no bfloat16 instructions ({' or '.join(sorted(_BFLOAT16_FLAGS))})"
        )
    if image_size < large:
        return Precision("float32", f"on a CPU, bfloat16 is faster only for images of {large} pixels or more")
    return Precision("bfloat16", "the CPU has bfloat16 instructions")


def has_bfloat16(cpuinfo: str) -> bool:
    """Whether every processor in the text of /proc/cpuinfo has bfloat16 instructions; False where it lists no flags."""
    flags = [set(line.partition(":")[2].split()) for line in cpuinfo.splitlines() if line.startswith("flags")]
    return bool(flags) and all(_BFLOAT16_FLAGS & processor for processor in flags)


@cache
def _cpuinfo() -> str:
    """Empty on systems other than Linux."""
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context that runs the network in this precision, except for operations that need float32."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)
