"""The machine of a benchmark is named."""

from pathlib import Path

import torch

from sam2_ros.benchmark.machine import machine, processor


def test_the_processor_has_the_system_s_name() -> None:
    assert processor()
    assert processor() in Path("/proc/cpuinfo").read_text() or processor() in ("x86_64", "aarch64")


def test_a_machine_is_named_by_device_and_processor() -> None:
    count = torch.get_num_threads()
    assert machine(torch.device("cpu")) == f"cpu ({processor()}, {count} thread{'s' * (count > 1)})"
