"""Stages are timed on the device that does the work."""

import pytest
import torch

from sam2_ros.benchmark.stages import DeviceStopwatch, stopwatch_for
from sam2_ros.tracking.stopwatch import Stopwatch


def test_a_cpu_is_timed_by_the_tracker_s_stopwatch() -> None:
    assert type(stopwatch_for(torch.device("cpu"))) is Stopwatch


@pytest.mark.cuda
def test_a_gpu_is_timed_by_its_own_events_without_waiting() -> None:
    device = torch.device("cuda:0")
    watch = stopwatch_for(device)
    assert isinstance(watch, DeviceStopwatch)
    x = torch.ones(4096, 4096, device=device)
    with watch.time("long"):
        for _ in range(20):
            x = x @ x
    with watch.time("short"):
        x = x + 1
    torch.cuda.synchronize(device)
    assert watch.seconds["long"] > 10 * watch.seconds["short"] > 0
    watch.restart()
    assert watch.seconds == {}
