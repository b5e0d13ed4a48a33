"""What measurements were made on, by name."""

from pathlib import Path

import torch

from sam2_ros.benchmark.machine import machine, processor


def test_the_processor_is_named_as_the_system_names_it() -> None:
    assert processor()
    assert processor() in Path("/proc/cpuinfo").read_text() or processor() in ("x86_64", "aarch64")


def test_a_machine_is_a_device_and_its_processor() -> None:
    count = torch.get_num_threads()
    assert machine(torch.device("cpu")) == f"cpu ({processor()}, {count} thread{'s' * (count > 1)})"
