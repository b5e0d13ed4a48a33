"""The compiled network's part of the report."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sam2_ros.benchmark.gpu_report import compiled
from sam2_ros.benchmark.gpu_report.parts import SMOKE


def test_the_compiled_network_is_measured_beside_the_eager_one(monkeypatch: pytest.MonkeyPatch) -> None:
    backends = []

    def compile_nothing(operation: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        backends.append(options["backend"])
        return operation

    monkeypatch.setattr(torch, "compile", compile_nothing)
    (row,) = compiled.rows("cpu", SMOKE)
    assert row["variant"] == "compiled, CUDA graphs" and row["configured in (s)"] > 0
    assert row["least mask IoU with eager"] > 0.99
    assert set(backends) == {SMOKE.backend}
