"""Transfers between host and device: uploads do not wait for the device, downloads wait once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """The array on the device; to a GPU through pinned memory, so that the host does not wait."""
    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))  # PyTorch warns about read-only memory
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def fetch(*tensors: Tensor) -> list[np.ndarray]:
    """The tensors on the host, after waiting once for the device."""
    on_host = [tensor.to("cpu", non_blocking=True) for tensor in tensors]  # into pinned memory
    if tensors[0].is_cuda:
        torch.cuda.current_stream(tensors[0].device).synchronize()
    return [tensor.numpy() for tensor in on_host]
