"""The stand-in for torchvision is used only where torchvision cannot be imported."""

import importlib
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from sam2_ros.parity.torchvision_stand_in import ensure_torchvision
from sam2_ros.tracking.preprocess import preprocess_unrounded


def test_a_torchvision_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("torchvision")
    monkeypatch.setitem(sys.modules, "torchvision", real)
    ensure_torchvision()
    assert sys.modules["torchvision"] is real


def test_without_it_images_are_prepared_as_we_prepare_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torchvision", "torchvision.transforms", "torchvision.ops", "torchvision.ops.boxes"):
        monkeypatch.setitem(sys.modules, name, None)
    ensure_torchvision()
    transforms = importlib.import_module("torchvision.transforms")
    statistics = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    prepare = torch.jit.script(nn.Sequential(transforms.Resize((32, 32)), transforms.Normalize(*statistics)))
    rgb = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    prepared = prepare(transforms.ToTensor()(rgb))
    assert torch.allclose(prepared, preprocess_unrounded(rgb, 32, torch.device("cpu"))[0], atol=1e-5)
    boxes = importlib.import_module("torchvision.ops.boxes")
    kept = boxes.batched_nms(
        torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8]]), torch.tensor([0.1, 0.2]).bfloat16(), None, 0.5
    )
    assert kept.tolist() == [1]
