"""The executables let threads wait passively: OpenMP itself says so, once PyTorch is imported."""

import os
import subprocess
import sys

import pytest

UNKNOWN_ARGUMENT = ["--ros-args", "-r", "no-rule"]  # refused after all imports
WAIT = "from sam2_ros.node.threads import wait_passively; wait_passively(); "


def spins(*command: str, **environment: str) -> bool:
    """Whether threads spin while they wait, by what GNU's OpenMP prints when PyTorch is imported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_WAIT", "GOMP"))}
    environment = {**clean, **environment, "OMP_DISPLAY_ENV": "verbose"}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    counts = [line.partition("= ")[2].strip("'") for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line]
    if not counts:
        pytest.skip("PyTorch does not use GNU's OpenMP")
    return int(counts[0]) > 0


@pytest.mark.parametrize("module", ["sam2_ros.node.main", "sam2_ros.node.text_detector.main"])
def test_threads_wait_passively(module: str) -> None:
    pytest.importorskip("rclpy")
    assert not spins("-m", module, *UNKNOWN_ARGUMENT)


def test_by_themselves_they_spin() -> None:
    assert spins("-c", "import torch")
    assert not spins("-c", WAIT + "import torch")


def test_the_environment_decides_where_it_says_something() -> None:
    assert spins("-c", WAIT + "import torch", OMP_WAIT_POLICY="ACTIVE")
