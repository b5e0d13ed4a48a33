"""Part: the card, its driver and the versions of the libraries."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import torch

from ... import __version__
from ..machine import processor
from .parts import Extent, Row


def rows(device: str, extent: Extent) -> Iterator[Row]:
    """One row for each property of the machine."""
    card = torch.device(device)
    properties = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "sam2_ros": __version__,
        "CPU": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "Python": platform.python_version(),
        "PyTorch": torch.__version__,
        "NumPy": np.__version__,
        "OpenCV": cv2.__version__,
    }
    if card.type == "cuda":
        found = torch.cuda.get_device_properties(card)
        properties |= {
            "card": found.name,
            "compute capability": f"{found.major}.{found.minor}",
            "GPU memory (MB)": str(found.total_memory // 2**20),
            "driver": driver(),
            "CUDA of PyTorch": str(torch.version.cuda),
            "cuDNN": str(torch.backends.cudnn.version()),
        }
    for name, value in properties.items():
        yield {"property": name, "value": value}


def driver() -> str:
    """The version of NVIDIA's driver, by nvidia-smi or by the kernel module."""
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=10).stdout.split("\n")[0]
    except (OSError, subprocess.SubprocessError):
        file = Path("/proc/driver/nvidia/version")
        return file.read_text().splitlines()[0] if file.exists() else "unknown"
