"""What the reference takes from torchvision, for machines where that is missing or does not fit PyTorch."""

# TorchScript, to which the reference gives these layers, reads no postponed annotations.
import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..segmentation.suppression import box_nms


def ensure_torchvision() -> None:
    """Make `torchvision` importable, whether it is installed or not."""
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):  # PyTorch raises the latter where the versions do not fit
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _add_module("torchvision")
        _add_module("torchvision.transforms", Normalize=_Normalize, Resize=_Resize, ToTensor=_ToTensor)
        _add_module("torchvision.ops")
        _add_module("torchvision.ops.boxes", batched_nms=_batched_nms, box_area=_box_area)


def _add_module(name: str, **contents: Any) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module


class _ToTensor:
    """(H, W, 3) uint8 -> (3, H, W) float32, 0..1"""

    def __call__(self, rgb: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1).float() / 255


class _Resize(nn.Module):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(image[None], self.size, mode="bilinear", align_corners=False, antialias=True)[0]


class _Normalize(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


def _batched_nms(boxes: Tensor, scores: Tensor, categories: Tensor, iou_threshold: float) -> Tensor:
    """All boxes are of one category there."""
    kept = box_nms(boxes.float().cpu().numpy(), scores.float().cpu().numpy(), iou_threshold)
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)


def _box_area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
