"""Between the host and the device: what goes up does not wait for the device, what comes down waits once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """The array on the device, through pinned memory where that is a GPU: the host goes on at once."""
    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))  # PyTorch warns of read-only memory
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def fetch(*tensors: Tensor) -> list[np.ndarray]:
    """The tensors on the host, all in one wait for the device."""
    on_host = [tensor.to("cpu", non_blocking=True) for tensor in tensors]  # into pinned memory
    if tensors[0].is_cuda:
        torch.cuda.current_stream(tensors[0].device).synchronize()
    return [tensor.numpy() for tensor in on_host]
