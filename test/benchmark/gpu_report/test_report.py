"""The report is written whatever a machine lacks, and however a part ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sam2_ros.benchmark.gpu_report import report
from sam2_ros.benchmark.gpu_report.parts import PARTS, SMOKE, TOTAL, Part

# All that the machine with the GPU has: PyTorch with what it requires, NumPy, OpenCV and safetensors.
BARE = """
import sys

INSTALLED = {"sam2_ros", "torch", "torchgen", "functorch", "numpy", "cv2", "safetensors", "triton",
             "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock", "typing_extensions"}

class Bare:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in INSTALLED | sys.stdlib_module_names or top.startswith("_"):
            return self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Bare, sys.meta_path)
"""


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """The environment of processes that can import nothing else."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(BARE)
    path = os.pathsep.join(filter(None, (str(tmp_path / "bare"), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("SAM2_REFERENCE", None)
    return environment


@pytest.mark.slow
def test_a_bare_machine_is_measured_and_what_it_lacks_is_named(tmp_path: Path, bare_machine: dict[str, str]) -> None:
    names = [part.name for part in PARTS if part.name != "compiled"]  # see test_compiled.py
    command = [sys.executable, "-m", "sam2_ros.benchmark.gpu_report", "--device", "cpu", "--smoke"]
    arguments = ["--limit", "300", "--output", str(tmp_path / "report"), "--parts", *names]
    done = subprocess.run([*command, *arguments], env=bare_machine, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parts = json.loads((tmp_path / "report" / "gpu_report.json").read_text())
    assert list(parts) == names
    assert (tmp_path / "report" / "gpu_report.md").read_text() in done.stdout

    problems = {name: part["problem"] for name, part in parts.items()}
    assert problems["suite"].startswith("pytest is not installed")
    assert problems["reference"].startswith("there is no reference: set SAM2_REFERENCE")
    assert problems["node"].startswith("ROS 2 is missing (No module named 'rclpy')")
    assert not problems["environment"] + problems["equality"] + problems["speed"]

    assert {"PyTorch", "CPU", "date"} <= {row["property"] for row in parts["environment"]["rows"]}
    float32 = parts["equality"]["rows"][:2]
    assert [row["verdict"] for row in float32] == ["pass", "pass"]
    assert all(row["frames"] == SMOKE.clip_frames and row["visible in both"] > 10 for row in float32)
    runs = [(row["objects"], row["variant"]) for row in parts["speed"]["rows"]]
    assert runs == [(2, "eager"), (2, "CUDA graphs")]
    for row in parts["speed"]["rows"]:
        assert 0 < row["median (ms)"] <= row["p99 (ms)"] <= row["worst (ms)"]
        assert row["GFLOP per frame"] > 0.1 and row["stages (ms)"]["encode"] > 0
        assert row["least mask IoU with eager"] == 1


def test_the_limits_add_up_to_seven_minutes() -> None:
    assert sum(part.limit for part in PARTS) <= TOTAL == 7 * 60


def test_a_part_is_stopped_at_its_limit_and_the_next_one_runs(tmp_path: Path) -> None:
    parts = [Part("speed", "Speed", 0.01), Part("suite", "Tests", 0.01)]
    outcomes = report.write_report(parts, "cpu", True, tmp_path)
    assert [outcome.problem for outcome in outcomes] == [
        "stopped after 0.01 s, its limit; see speed.log",
        "stopped after 0.01 s, its limit; see suite.log",
    ]
    assert list(json.loads((tmp_path / "gpu_report.json").read_text())) == ["speed", "suite"]


def test_rows_are_kept_up_to_the_one_that_was_being_written(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert report._whole_rows(tmp_path / "rows") == [{"a": 1}, {"a": 2}]


def test_a_part_that_fails_leaves_its_last_line(tmp_path: Path) -> None:
    outcome = report.run_part(Part("equality", "Equality", 120), "tpu", True, tmp_path)
    assert "device is 'tpu', expected auto, cpu, cuda or cuda:N" in outcome.problem
