"""Memory does not grow with the stream. `sam2_ros benchmark --frames 10000` runs the same for longer."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sam2_ros.benchmark.measure import Step, measure

# In a process of its own: what other tests have freed would be taken, or given back, meanwhile. What malloc keeps for
# later moves by megabytes; only what is held counts.
TRACK = """
import ctypes
from sam2_ros.benchmark.memory import resident_memory
from sam2_ros.benchmark.ours import our_steps
from sam2_ros.benchmark.workload import synthetic_frames, workload
from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config

steps = our_steps(seeded_model(named_config("nano", 64), seed=1), workload(synthetic_frames(), objects=3), "float32")
for frame in range(401):
    next(steps)
    if frame in (100, 400):
        ctypes.CDLL(None).malloc_trim(0)
        print(resident_memory())
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_three_objects() -> None:
    done = subprocess.run([sys.executable, "-c", TRACK], check=True, capture_output=True, text=True, timeout=1200)
    warm, end = map(int, done.stdout.split())
    assert end - warm < 2**19


def test_a_leak_is_found() -> None:
    kept: list[np.ndarray] = []

    def leak() -> Iterator[Step]:
        while True:
            kept.append(np.ones((240, 320), np.uint8))
            yield Step(torch.empty(0, 1, 1, 1))

    assert measure({"leak": leak()}, frames=300, warm_up=100)["leak"].growth > 10.0
