"""Our tracker as a variant of the benchmark."""

import time

import pytest
import torch

from sam2_ros.benchmark.ours import our_steps
from sam2_ros.benchmark.workload import synthetic_frames, workload
from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config

STAGES = {"preprocess", "encode", "read_memory", "decode", "write_memory", "masks"}


def test_a_step_has_the_logits_of_every_object_and_the_stages() -> None:
    steps = our_steps(seeded_model(named_config("nano", 64)), workload(synthetic_frames((48, 64), 2), 2), "float32")
    next(steps)
    step = next(steps)
    assert step.logits.shape == (2, 1, 16, 16)
    assert step.stages().keys() >= STAGES


def test_the_stages_add_up_to_the_latency() -> None:
    steps = our_steps(seeded_model(named_config("nano", 64)), workload(synthetic_frames((48, 64), 2), 1), "float32")
    shares = []
    for _ in range(20):
        start = time.perf_counter()
        step = next(steps)
        shares.append(sum(step.stages().values()) / (time.perf_counter() - start))
    assert max(shares) <= 1
    assert max(shares) > 0.7  # on the frame that was disturbed least


@pytest.mark.parametrize(("precision", "expected"), [("float32", True), ("bfloat16", False)])
def test_runs_in_the_requested_precision(precision: str, expected: bool) -> None:
    def logits(name: str) -> torch.Tensor:
        steps = our_steps(seeded_model(named_config("nano", 64)), workload(synthetic_frames((48, 64), 2), 1), name)
        next(steps)
        return next(steps).logits

    assert torch.equal(logits("float32"), logits(precision)) == expected
