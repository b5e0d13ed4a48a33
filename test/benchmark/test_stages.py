"""Stages on a GPU."""

import pytest
import torch

from sam2_ros.benchmark.stages import DeviceStopwatch, stopwatch_for
from sam2_ros.tracking.stopwatch import Stopwatch


def test_a_processor_keeps_the_trackers_own_time() -> None:
    assert type(stopwatch_for(torch.device("cpu"))) is Stopwatch


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_tells_what_the_gpu_takes_and_waits_for_nothing() -> None:
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
